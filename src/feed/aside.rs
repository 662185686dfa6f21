//! What may stand nearly anywhere in a document and says nothing in it: comments and processing instructions.

use memchr::memmem;

use super::{
    names::{self, Letters},
    tag,
};

/// How long a comment is, from behind its `<!--`. Two hyphens end it, or are an error.
pub(super) fn comment(written: &[u8]) -> Option<usize> {
    let end = memmem::find(written, b"--")?;
    written.get(end..)?.starts_with(b"-->").then(|| end.saturating_add(b"-->".len()))
}

/// How long a processing instruction is, from behind its `<?`. It has a target, and not the one that is kept for the XML
/// declaration.
pub(super) fn instruction(written: &[u8], letters: Letters) -> Option<usize> {
    let (target, rest) = names::split_plain(written, letters)?;
    let is_apart = rest.starts_with(b"?>") || rest.first().is_some_and(|&b| tag::is_space(b));
    let end = memmem::find(rest, b"?>")?;
    let length = target.len().saturating_add(end).saturating_add(b"?>".len());
    (is_apart && !target.eq_ignore_ascii_case(b"xml")).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aside_ends_where_xml_says_or_is_none() {
        assert_eq!(comment(b"-->"), Some(3));
        assert_eq!(comment(b" a - b --><x>-->"), Some(10));
        for bad in ["", ">", "->", " -- -->", " --->", "-"] {
            assert_eq!(comment(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(instruction(b"php?>", Letters::Utf8), Some(5));
        assert_eq!(instruction(b"xml-stylesheet href='?' ?>?>", Letters::Utf8), Some(26));
        for bad in ["?>", " x?>", "xml x?>", "XML?>", "a", "a ?", "a>?>", "1?>", "a:b?>"] {
            assert_eq!(instruction(bad.as_bytes(), Letters::Utf8), None, "{bad}");
        }
    }
}
