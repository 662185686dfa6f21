//! A DOCTYPE: how far it reaches, and which entities there are.
//!
//! Nothing in it is ever expanded or loaded (X08). That is sound only where it cannot change what the rest of the
//! document says: a default attribute may put an element into another namespace, and markup in an entity may be an
//! entry that we do not see. A document with such a DOCTYPE, or with declarations that no feed has, is not read.

use super::{
    aside,
    names::{self, Letters, Vocabulary},
    tag, text,
};

/// HTML has 253 by name; a document that declares many more is up to something.
const MOST_ENTITIES: usize = 1024;

/// Reads the DOCTYPE that these bytes begin with, and adds what it declares to the vocabulary of a document that stands
/// alone or does not; gives what follows it. `None` if it is none, or one that may change what the document says.
pub(super) fn read<'b>(
    written: &'b [u8],
    stands_alone: bool,
    vocabulary: &mut Vocabulary<'b>,
) -> Option<&'b [u8]> {
    let rest = spaces(written.strip_prefix(b"<!DOCTYPE")?)?;
    let (_name, mut rest) = names::split(rest, vocabulary.letters)?;
    if let Some(after) = external(rest) {
        // What stands alone needs nothing from there.
        vocabulary.has_more_entities = !stands_alone;
        rest = after;
    }
    rest = tag::skip_spaces(rest);
    if let Some(subset) = rest.strip_prefix(b"[") {
        rest = tag::skip_spaces(internal_subset(subset, vocabulary)?);
    }
    rest.strip_prefix(b">")
}

/// `SYSTEM "url"` or `PUBLIC "name" "url"`, after white space; RSS 0.91 has the latter. Gives what is behind.
fn external(written: &[u8]) -> Option<&[u8]> {
    let rest = spaces(written)?;
    let system = match rest.strip_prefix(b"PUBLIC") {
        Some(rest) => {
            let (public, rest) = literal(spaces(rest)?)?;
            if !public.iter().all(|&b| is_public(b)) {
                return None;
            }
            rest
        }
        None => rest.strip_prefix(b"SYSTEM")?,
    };
    Some(literal(spaces(system)?)?.1)
}

/// Whether it may stand in a public identifier (XML 1.0, 2.3).
fn is_public(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" \r\n-'()+,./:=?;!*#@$_%".contains(&byte)
}

/// What stands between the brackets; gives what is behind them.
fn internal_subset<'b>(subset: &'b [u8], vocabulary: &mut Vocabulary<'b>) -> Option<&'b [u8]> {
    let mut rest = subset;
    loop {
        rest = match tag::skip_spaces(rest) {
            [b']', after @ ..] => return Some(after),
            [b'<', b'!', b'-', b'-', comment @ ..] => comment.get(aside::comment(comment)?..)?,
            [b'<', b'?', instruction @ ..] => {
                instruction.get(aside::instruction(instruction, vocabulary.letters)?..)?
            }
            declaration => {
                let entity = declaration.strip_prefix(b"<!ENTITY")?;
                let (name, after) = entity_declaration(entity, vocabulary.letters)?;
                if vocabulary.entities.len() >= MOST_ENTITIES {
                    return None;
                }
                vocabulary.entities.insert(name);
                after
            }
        };
    }
}

/// `name "value">`, the value without any markup of its own; gives the name.
fn entity_declaration(written: &[u8], letters: Letters) -> Option<(&[u8], &[u8])> {
    // A parameter entity begins with `%`, which is no name, and an external one has no value.
    let (name, rest) = names::split_plain(spaces(written)?, letters)?;
    let (value, rest) = literal(spaces(rest)?)?;
    let is_plain = !value.contains(&b'<') && !value.contains(&b'%') && text::references_are_characters(value);
    // The end of a CDATA section may not stand in text, wherever that comes from.
    let is_text = is_plain && memchr::memmem::find(&text::decoded(value), b"]]>").is_none();
    let after = tag::skip_spaces(rest).strip_prefix(b">")?;
    is_text.then_some((name, after))
}

/// Something in quotes, and what is behind it.
fn literal(written: &[u8]) -> Option<(&[u8], &[u8])> {
    let (quote, rest) = written.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let end = memchr::memchr(*quote, rest)?;
    Some((rest.get(..end)?, rest.get(end.saturating_add(1)..)?))
}

/// At least one white space.
fn spaces(written: &[u8]) -> Option<&[u8]> {
    let rest = tag::skip_spaces(written);
    (rest.len() < written.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(doctype: &str) -> Option<(Vec<String>, bool)> {
        let body = format!("{doctype}<a/>");
        let mut vocabulary = Vocabulary::new(Letters::Utf8);
        assert_eq!(read(body.as_bytes(), false, &mut vocabulary)?, b"<a/>");
        let names =
            vocabulary.entities.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        Some((names, vocabulary.has_more_entities))
    }

    #[test]
    fn a_doctype_is_stepped_over_and_its_entities_are_known() {
        let none: [&str; 0] = [];
        let known = |names: &[&str], elsewhere| {
            Some((names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), elsewhere))
        };
        assert_eq!(declared("<!DOCTYPE rss>"), known(&none, false));
        assert_eq!(declared("<!DOCTYPE rss []>"), known(&none, false));
        assert_eq!(
            declared("<!DOCTYPE rss PUBLIC \"-//N//DTD RSS 0.91//EN\" 'http://n/rss.dtd'>"),
            known(&none, true)
        );
        assert_eq!(declared("<!DOCTYPE\nrss SYSTEM 'x>]' [ ] >"), known(&none, true));
        assert_eq!(
            declared("<!DOCTYPE a [<!ENTITY e 'é]>&#233;\">'> <!-- ' ]> --><?x ]>?>\n<!ENTITY f \"\" >]>"),
            known(&["e", "f"], false)
        );
    }

    #[test]
    fn what_stands_alone_has_no_entities_elsewhere() {
        let mut vocabulary = Vocabulary::new(Letters::Utf8);
        read(b"<!DOCTYPE rss SYSTEM 'x'>", true, &mut vocabulary).unwrap();
        assert!(!vocabulary.has_entity(b"e"));
    }

    /// X08, F23
    #[test]
    fn a_doctype_that_may_change_what_is_said_is_not_read() {
        let bad = [
            "<!doctype rss>",
            "<!DOCTYPErss>",
            "<!DOCTYPE >",
            "<!DOCTYPE rss",
            "<!DOCTYPE rss x>",
            "<!DOCTYPE rss PUBLIC 'x'>",
            "<!DOCTYPE rss [ junk ]>",
            "<!DOCTYPE rss [] []>",
            "<!DOCTYPE rss [<!ATTLIST entry xmlns CDATA 'urn:x'>]>",
            "<!DOCTYPE rss [<!ENTITY % p ''> %p;]>",
            "<!DOCTYPE rss [%p;]>",
            "<!DOCTYPE rss [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
            "<!DOCTYPE rss [<!ENTITY e '<entry/>'>]>",
            "<!DOCTYPE rss [<!ENTITY e '&lt;entry/>'>]>",
            "<!DOCTYPE rss [<!ENTITY e '&#60;entry/>'>]>",
            "<!DOCTYPE rss [<!ENTITY e '&#x26;f;'>]>",
            "<!DOCTYPE rss [<!ENTITY e '&f;'>]>",
            "<!DOCTYPE rss [<!ENTITY e '%f;'>]>",
            "<!DOCTYPE rss [<!ENTITY e 'a' NDATA b>]>",
            "<!DOCTYPE rss [<!NOTATION n SYSTEM 'x'>]>",
            "<!DOCTYPE rss [<!ELEMENT a ANY>]>",
            "<!DOCTYPE rss [<!ENTITY e ']]>'>]>",
            "<!DOCTYPE rss [<!ENTITY e '&#93;]&#62;'>]>",
            "<!DOCTYPE rss [<!ENTITY a:b 'a'>]>",
            "<!DOCTYPE rss [<?a:b?>]>",
            "<!DOCTYPE rss PUBLIC '<{&}>' 'x'>",
            "<!DOCTYPE rss [<!-- -- -->]>",
        ];
        for doctype in bad {
            assert_eq!(declared(doctype), None, "{doctype}");
        }
        let many: Vec<_> = (0..=MOST_ENTITIES).map(|n| format!("<!ENTITY e{n} ''>")).collect();
        let many = many.concat();
        assert_eq!(declared(&format!("<!DOCTYPE a [{many}]>")), None);
    }
}
