//! Which of our own errors lies at the bottom of a library's error. Found by type, never by the words of a message.

use std::{error::Error, io};

use http_body_util::LengthLimitError;

use super::transport::SendError;

/// How many causes are followed; chains are three to five long.
const DEPTH: usize = 16;

/// The [`SendError`] that our resolver or connector put in, [`SendError::Tls`] if rustls is the cause, or
/// [`SendError::TooLarge`] if it is the limit of what comes over the wire.
pub(super) fn blame(error: &(dyn Error + 'static)) -> Option<SendError> {
    let mut next = Some(error);
    for _ in 0..DEPTH {
        let error = next?;
        if let Some(ours) = error.downcast_ref::<SendError>() {
            return Some(*ours);
        }
        if error.is::<rustls::Error>() {
            return Some(SendError::Tls);
        }
        if error.is::<LengthLimitError>() {
            return Some(SendError::TooLarge);
        }
        // An io::Error made from another error hides it from `source`, which goes one step past it.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_through_nested_io_errors() {
        let tls = io::Error::other(io::Error::other(rustls::Error::DecryptError));
        assert_eq!(blame(&tls), Some(SendError::Tls));
        let ours = io::Error::other(SendError::Resolve);
        assert_eq!(blame(&ours), Some(SendError::Resolve));
        assert_eq!(blame(&io::Error::other("connection reset")), None);
    }
}
