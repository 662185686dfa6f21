//! What exactly a signature covers. The drafts contradict each other on padding, so that there are forms, each with its
//! followers; the payload and the type are the same in all but the oldest, which leaves the type out.

use sha2::{Digest as _, Sha256};

use super::{ALGORITHM, ENCODING, Envelope, armor};
use crate::salmon::magic_key::PublicKey;

/// Which base string a signature was found to cover. For the log; every form is as good as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All four parts padded: StatusNet from 0.9.7, GNU social, Mastodon, Pleroma, Friendica. The one we send. Mastodon
    /// holds those to it as well whose data came without padding.
    Padded,
    /// The data without padding, the rest with: go-ostatus.
    UnpaddedData,
    /// No padding anywhere: the text of the draft, and Friendica's second try.
    Unpadded,
    /// The type padded and the alg not: the worked example of the draft.
    Draft,
    /// The data alone: StatusNet to 0.9.6, the reference.
    DataOnly,
}

/// Whether [`Form::DataOnly`] counts, which does not cover the type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LegacyForm {
    #[default]
    Refused,
    Accepted,
}

/// A signature that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub form: Form,
    /// Which of the keys it was, by its place.
    pub key: usize,
}

impl Envelope {
    /// Looks for a signature of one of these keys, in every form that is accepted. Costs an exponentiation for each of
    /// them: off the runtime's threads, and with few keys.
    pub fn verify(&self, keys: &[PublicKey], legacy: LegacyForm) -> Option<Verified> {
        let digests = self.digests(legacy);
        for signature in &self.signatures {
            for (key, public) in keys.iter().enumerate() {
                for (form, digest) in &digests {
                    if public.verifies(digest, &signature.octets) {
                        return Some(Verified { form: *form, key });
                    }
                }
            }
        }
        None
    }

    /// The SHA-256 of each base string, the most usual first, without those that are the same as an earlier one.
    fn digests(&self, legacy: LegacyForm) -> Vec<(Form, [u8; 32])> {
        let forms = [Form::Padded, Form::UnpaddedData, Form::Unpadded, Form::Draft];
        let mut digests: Vec<(Form, [u8; 32])> = Vec::new();
        let mut add = |form, text: &[&str]| {
            let mut hash = Sha256::new();
            for piece in text {
                hash.update(piece);
            }
            let digest = hash.finalize().into();
            if !digests.iter().any(|(_, known)| *known == digest) {
                digests.push((form, digest));
            }
        };
        let padded = armor::padded(&self.payload);
        let unpadded = armor::unpadded(&padded);
        for form in forms {
            let data = if form == Form::Padded { padded.as_str() } else { unpadded };
            add(form, &[data, &tail(form, &self.media_type)]);
        }
        if legacy == LegacyForm::Accepted {
            add(Form::DataOnly, &[&padded]);
            add(Form::DataOnly, &[unpadded]);
        }
        digests
    }
}

/// The padded base string, of which nothing has to be known but the parts.
pub(super) fn padded(payload: &[u8], media_type: &str) -> String {
    armor::padded(payload) + &tail(Form::Padded, media_type)
}

/// What follows the data.
fn tail(form: Form, media_type: &str) -> String {
    let [media_type, encoding, algorithm] =
        [media_type, ENCODING, ALGORITHM].map(|part| armor::padded(part.as_bytes()));
    let without = armor::unpadded;
    match form {
        Form::Padded | Form::UnpaddedData => format!(".{media_type}.{encoding}.{algorithm}"),
        Form::Unpadded => format!(".{}.{}.{}", without(&media_type), without(&encoding), without(&algorithm)),
        Form::Draft => format!(".{media_type}.{encoding}.{}", without(&algorithm)),
        Form::DataOnly => String::new(),
    }
}
