//! All vectors of `tests/fixtures/salmon` that concern what is pure, by what each of them expects.
//!
//! The whole way of a slap but for the network: the envelope, its entry, the descriptor that the first name leads to, the
//! signature, and whether it is for who it was sent to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::salmon::discovery::Descriptor;

/// What became of a slap.
type Outcome = Result<(Entry, Form), String>;

/// What an operator may allow.
#[derive(Debug, Clone, Copy, Default)]
struct Policy {
    legacy: LegacyForm,
    sizes: KeySizes,
}

/// The descriptor that a name leads to, if its host is one of the three.
fn descriptor(name: &Identity) -> Option<Descriptor> {
    let nick =
        name.host().strip_suffix(".example").filter(|nick| matches!(*nick, "alice" | "bob" | "mallory"))?;
    Descriptor::read(fixture(&format!("discovery/{nick}.xrd.xml")).as_bytes()).ok()
}

fn alice(is_group: bool) -> Vec<Identity> {
    let nick = if is_group { "gardeners" } else { "alice" };
    Descriptor::read(fixture(&format!("discovery/{nick}.jrd.json")).as_bytes()).unwrap().identities()
}

/// Runs a slap. Each envelope of another implementation is signed with that one's key, and so the key of the vector stands
/// for the one in the descriptor, unless the signer is not whom the entry names.
fn run(vector: &Value, policy: Policy) -> Outcome {
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let body = fixture(text("file"));
    let envelope = Envelope::read(body.as_bytes()).map_err(|fault| match fault.class() {
        EnvelopeFaultClass::TooLarge | EnvelopeFaultClass::Malformed => "malformed".to_owned(),
        EnvelopeFaultClass::Doctype => "doctype".to_owned(),
        EnvelopeFaultClass::Type => "type".to_owned(),
        EnvelopeFaultClass::Encoding => "encoding".to_owned(),
        EnvelopeFaultClass::Algorithm => "alg".to_owned(),
    })?;
    let entry = Entry::read(envelope.payload()).map_err(|fault| match fault {
        EntryFault::Doctype => "doctype",
        EntryFault::SeveralAuthors => "identity",
        _ => "entry",
    })?;
    let claims = Claims::of(&entry).ok_or("entry")?;
    let signer = claims.names().first().unwrap();
    let found = descriptor(signer).ok_or("no descriptor")?;
    match claims.judge(signer, &found) {
        Judgement::Confirmed => {}
        Judgement::Elsewhere(_) | Judgement::Denied(_) | Judgement::NotAbout => {
            return Err("identity".to_owned());
        }
    }
    let is_own_key = found.subject.as_deref() == Some(&format!("acct:{0}@{0}.example", text("signer")));
    let keys: Vec<PublicKey> = if is_own_key && text("why") != "signed by mallory, claims bob" {
        PublicKey::parse(&fixture(&format!("keys/{}.magic", text("key"))), policy.sizes)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    } else {
        found.keys(policy.sizes).into_iter().flatten().map(|(key, _)| key).collect()
    };
    let verified = envelope.verify(&keys, policy.legacy).ok_or("signature")?;
    let (to_alice, to_group, to_bob) = (alice(false), alice(true), Identity::parse("acct:bob@bob.example"));
    let everybody: Vec<Identity> =
        to_alice.into_iter().chain(to_group).chain(to_bob.filter(|_| text("signer") == "alice")).collect();
    entry.addressed_to(&everybody, |post| post.starts_with("tag:alice.example,")).ok_or("not-addressed")?;
    Ok((entry, verified.form))
}

/// Whether what became of it is what the vector expects, with and without what an operator may allow.
fn is_as_expected(vector: &Value) -> bool {
    let usual = Policy::default();
    let legacy = Policy { legacy: LegacyForm::Accepted, ..usual };
    let weak = Policy { sizes: KeySizes::Weak, ..usual };
    let both = Policy { legacy: LegacyForm::Accepted, sizes: KeySizes::Weak };
    let accepts = |policy| run(vector, policy).is_ok();
    let refuses = |policy| run(vector, policy).err().as_deref() == Some("signature");
    match vector["expect"].as_str().unwrap() {
        // Future and past stamps are passed on: queues of days are normal, and no live peer looks.
        "accept" | "policy" => accepts(usual) && accepts(both),
        "accept+weak-key" => refuses(usual) && refuses(legacy) && accepts(weak),
        "accept-if-legacy" => refuses(usual) && refuses(weak) && accepts(legacy),
        "accept-if-legacy+weak-key" => refuses(legacy) && refuses(weak) && accepts(both),
        // No peer uses that serialization, and we do not read it.
        "accept-if-compact" => run(vector, both).err().as_deref() == Some("malformed"),
        // Whoever is named is the true author, who did not sign it.
        "reject:identity" if vector["file"] == "identity/spoof-nested-author.env.xml" => refuses(both),
        reject => {
            let why = reject.strip_prefix("reject:").unwrap();
            [usual, both].into_iter().all(|policy| run(vector, policy).err().as_deref() == Some(why))
        }
    }
}

fn manifest() -> Vec<Value> {
    serde_json::from_str(&fixture("vectors.json")).unwrap()
}

#[test]
fn every_vector_ends_as_it_expects() {
    let mut score: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for vector in manifest() {
        let (right, all) = score.entry(vector["expect"].as_str().unwrap().to_owned()).or_default();
        *all += 1;
        if is_as_expected(&vector) {
            *right += 1;
        } else {
            let outcome = run(&vector, Policy::default()).map(|(entry, form)| (entry.verb, form));
            wrong.push(format!("{} expects {}: {outcome:?}", vector["file"], vector["expect"]));
        }
    }
    for (expect, (right, all)) in &score {
        println!("{expect}: {right} of {all}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(score.values().map(|(_, all)| all).sum::<usize>(), 110);
}

#[test]
fn the_form_of_each_signature_is_named() {
    let both = Policy { legacy: LegacyForm::Accepted, sizes: KeySizes::Weak };
    let mut checked = 0;
    for vector in manifest() {
        let Ok((_, form)) = run(&vector, both) else { continue };
        let expected = match vector["base_string"].as_str().unwrap() {
            "P" | "R" => Form::Padded,
            // Where the length is a multiple of three, there is no padding to tell them apart.
            "P-unpadded-data" if form == Form::Padded => Form::Padded,
            "P-unpadded-data" => Form::UnpaddedData,
            "U" => Form::Unpadded,
            "D" => Form::Draft,
            _ => Form::DataOnly,
        };
        assert_eq!(form, expected, "{vector}");
        checked += 1;
    }
    assert_eq!(checked, 47 + 2 + 5 + 11 + 4);
}

/// `parsed` is what every reader should take out of the entry, the doubtful ones too.
#[test]
fn every_entry_is_read_as_the_vectors_have_it() {
    let mut checked = 0;
    for vector in manifest() {
        let parsed = &vector["parsed"];
        let envelope = Envelope::read(fixture(vector["file"].as_str().unwrap()).as_bytes());
        let (Some(_), Ok(envelope)) = (parsed.as_object(), envelope) else { continue };
        let Ok(entry) = Entry::read(envelope.payload()) else { continue };
        let object = entry.object.as_ref();
        let kind = object.and_then(|object| object.person.kind.clone()).or(entry.object_type.clone());
        let found = serde_json::json!({
            "id": entry.id,
            "verb": entry.verb_uri,
            "updated": entry.updated,
            "author_uri": entry.author.uri,
            "author_id": entry.author.id,
            "author_email": entry.author.email,
            "actor_id": entry.actor.as_ref().and_then(|actor| actor.id.clone()),
            "object_id": object.and_then(|object| object.person.id.clone()),
            "object_type": kind.map(|kind| format!("http://activitystrea.ms/schema/1.0/{kind}")),
            "in_reply_to": entry.in_reply_to.as_ref().and_then(|reply| reply.id.clone()),
            "mentioned": entry.mentioned.iter().map(|mention| &mention.uri).collect::<Vec<_>>(),
        });
        assert_eq!(&found, parsed, "{}", vector["file"]);
        checked += 1;
    }
    assert_eq!(checked, 20);
}

/// The requests of `http-cases.json` are for whoever serves HTTP; that their bodies are what they are said to be shows here.
#[test]
fn the_bodies_of_the_requests_are_read_as_their_answers_say() {
    let cases: Vec<Value> = serde_json::from_str(&fixture("http-cases.json")).unwrap();
    let manifest = manifest();
    let mut checked = 0;
    for case in &cases {
        let Some(body) = case["body"].as_str() else { continue };
        let vector = manifest.iter().find(|vector| vector["file"] == body).unwrap();
        let outcome = run(vector, Policy::default());
        let status = match outcome.as_ref().map_err(String::as_str) {
            Ok((entry, _)) => {
                let names = alice(case["to"] == "gardeners");
                if entry.addressed_to(&names, |post| post.starts_with("tag:alice.example,")).is_some() {
                    200
                } else {
                    400
                }
            }
            Err("identity") => 403,
            Err("signature" | "alg" | "encoding") => 401,
            Err(_) => 400,
        };
        // What the account and the type decide is decided before the body.
        if !matches!(case["status"].as_u64(), Some(404 | 415)) {
            assert_eq!(case["status"].as_u64(), Some(status), "{case} {outcome:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 13);
}
