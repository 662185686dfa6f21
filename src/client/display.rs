//! Text of strangers on the operator's terminal.

use std::borrow::Cow;

/// One line of text without control characters; line ends become spaces.
///
/// A hub's answer or a delivery's header could otherwise move the cursor, rename the window or hide what was said.
pub(super) fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !harmful(*c))
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A body as a terminal may have it: without control characters other than line ends and tabs.
pub(super) fn for_terminal(body: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(body);
    if text.chars().any(|c| harmful(c) && !allowed_in_body(c)) {
        Cow::Owned(
            text.chars().filter(|c| !harmful(*c) || allowed_in_body(*c)).collect::<String>().into_bytes(),
        )
    } else {
        Cow::Borrowed(body)
    }
}

fn allowed_in_body(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

/// Control characters, and those that turn the direction of writing round.
fn harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_cannot_steer_the_terminal() {
        assert_eq!(one_line(b" no\r\nsuch\x1b[2J topic\x07\n"), "no  such[2J topic");
        assert_eq!(one_line("a\u{202e}b\u{9b}c".as_bytes()), "abc");
        assert_eq!(one_line(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_body_keeps_its_lines() {
        assert_eq!(for_terminal(b"a\n\tb\x1b[2J\r\n").as_ref(), b"a\n\tb[2J\n");
        assert!(matches!(for_terminal("hé\n".as_bytes()), Cow::Borrowed(_)));
    }
}
