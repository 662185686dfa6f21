//! Text put into XML.

/// Appends text as the content of an element or the value of an attribute in double quotes. What XML has no character for
/// is left out.
pub fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {}
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Tree;

    #[test]
    fn what_is_put_in_is_read_again() {
        let text = "a&amp;<b> \"c\" 'd' ]]>\t\r\n\u{0}\u{b}\u{fffe}ü";
        let mut escaped = String::new();
        push_escaped(&mut escaped, text);
        let document = format!("<a b=\"{escaped}\">{escaped}</a>");
        let tree = Tree::parse(document.as_bytes()).unwrap();
        let kept = text.replace(['\0', '\u{b}', '\u{fffe}'], "");
        assert_eq!(tree.root().unwrap().text(), kept);
        assert_eq!(tree.root().unwrap().attribute("b").unwrap(), kept);
    }
}
