//! A DOCTYPE: how far it reaches, and which entities there are.
//!
//! Nothing in it is ever expanded or loaded (X08). That is sound only where it cannot change what the rest of the
//! document says: a default attribute may put an element into another namespace, and markup in an entity may be an
//! entry that we do not see. A document with such a DOCTYPE is not read.

use std::collections::BTreeSet;

use super::{
    aside,
    encoding::Source,
    tag::{self, Names},
    text,
};

/// HTML has 253 by name; a document that declares many more is up to something.
const MOST_ENTITIES: usize = 1024;

/// The entities that a document may name beside the five that every reader knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entities<'b> {
    declared: BTreeSet<&'b [u8]>,
    /// There is a part of the DTD that we do not load. It may declare any, and a reader that does not load it either
    /// has to put up with that.
    may_be_elsewhere: bool,
}

impl Entities<'_> {
    /// Whether a document that names this entity is well-formed (XML 1.0, "Entity Declared").
    pub(super) fn include(&self, name: &[u8]) -> bool {
        self.may_be_elsewhere || self.declared.contains(name)
    }
}

/// Reads the DOCTYPE that these bytes begin with: its length, and the entities it declares. `None` if it is none, or
/// one that may change what the document says.
pub(super) fn read<'b>(source: &Source<'b>, written: &'b [u8]) -> Option<(usize, Entities<'b>)> {
    let mut entities = Entities::default();
    let rest = spaces(written.strip_prefix(b"<!DOCTYPE")?)?;
    let (_name, mut rest) = tag::split_name(rest, source.names)?;
    if let Some((_, after)) = external(rest) {
        entities.may_be_elsewhere = true;
        rest = after;
    }
    rest = tag::skip_spaces(rest);
    if let Some(subset) = rest.strip_prefix(b"[") {
        rest = tag::skip_spaces(internal_subset(source, subset, &mut entities)?);
    }
    let after = rest.strip_prefix(b">")?;
    Some((written.len().saturating_sub(after.len()), entities))
}

/// `SYSTEM "url"` or `PUBLIC "name" "url"`, after white space; RSS 0.91 has the latter.
fn external(written: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = spaces(written)?;
    if let Some(rest) = rest.strip_prefix(b"PUBLIC") {
        let (_public, rest) = literal(spaces(rest)?)?;
        return literal(spaces(rest)?);
    }
    literal(spaces(rest.strip_prefix(b"SYSTEM")?)?)
}

/// What stands between the brackets; gives what is behind them.
fn internal_subset<'b>(
    source: &Source<'b>,
    subset: &'b [u8],
    entities: &mut Entities<'b>,
) -> Option<&'b [u8]> {
    let mut rest = subset;
    loop {
        rest = tag::skip_spaces(rest);
        rest = match rest {
            [b']', after @ ..] => return Some(after),
            [b'<', b'!', b'-', b'-', comment @ ..] => comment.get(aside::comment(comment)?..)?,
            [b'<', b'?', instruction @ ..] => {
                instruction.get(aside::instruction(instruction, source.names)?..)?
            }
            _ => {
                if let Some(entity) = rest.strip_prefix(b"<!ENTITY") {
                    let (name, after) = entity_declaration(entity, source.names)?;
                    if entities.declared.len() >= MOST_ENTITIES {
                        return None;
                    }
                    entities.declared.insert(name);
                    after
                } else {
                    // Says what may stand where, and nothing about what does.
                    let rest = rest.strip_prefix(b"<!ELEMENT")?;
                    let end = source.find(rest, [b'>', b'<', b'"'])?;
                    rest.get(end..)?.strip_prefix(b">")?
                }
            }
        };
    }
}

/// `name "value">`, the value without any markup of its own; gives the name.
fn entity_declaration(written: &[u8], names: Names) -> Option<(&[u8], &[u8])> {
    // A parameter entity begins with `%`, which is no name, and an external one has no value.
    let (name, rest) = tag::split_name(spaces(written)?, names)?;
    let (value, rest) = literal(spaces(rest)?)?;
    let is_plain = !value.contains(&b'<') && !value.contains(&b'%') && text::references_are_characters(value);
    let after = tag::skip_spaces(rest).strip_prefix(b">")?;
    is_plain.then_some((name, after))
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
        let source = Source::sniff(body.as_bytes(), None)?;
        let (length, entities) = read(&source, source.from(0))?;
        assert_eq!(length, doctype.len());
        let names = entities.declared.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        Some((names, entities.may_be_elsewhere))
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
            declared(
                "<!DOCTYPE a [<!ENTITY e 'é]>&#233;\">'> <!-- ' ]> --><?x ]>?><!ELEMENT a (#PCDATA)>\n<!ENTITY f \"\" >]>"
            ),
            known(&["e", "f"], false)
        );
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
            "<!DOCTYPE rss [<!ELEMENT a '>'>]>",
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
