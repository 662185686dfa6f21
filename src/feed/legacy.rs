//! Encodings older than UTF-8: which of them can be read where their bytes lie, and which bytes are whose.
//!
//! Labels are those of the Encoding Standard, which are what publishers write. A character of several bytes may have
//! ASCII among them: `]` in `Shift_JIS`, Big5 and GBK, digits in GB18030. None has a quote, `<`, `>`, `&`, `=`, `/`, `-`,
//! `?` or white space there, so that only `]]>` has to be looked for character by character. ISO-2022 and UTF-7 write everything in ASCII, and UTF-16 and UTF-32 nothing: such a body goes out whole
//! (F23).

use encoding_rs::{
    BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, WINDOWS_1252, X_USER_DEFINED,
};

use super::text;

/// An encoding in which a byte of ASCII that is not a part of another character is that character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Legacy(&'static Encoding);

/// What iconv and Windows call some encodings, and the standard does not.
const OTHER_LABELS: [(&str, &Encoding); 8] = [
    ("cp932", SHIFT_JIS),
    ("cp936", GBK),
    ("cp949", EUC_KR),
    ("cp950", BIG5),
    ("eucjp", EUC_JP),
    ("euckr", EUC_KR),
    ("latin-1", WINDOWS_1252),
    ("uhc", EUC_KR),
];

impl Legacy {
    /// By its label in lower case.
    pub(super) fn of(label: &str) -> Option<Self> {
        let other = || OTHER_LABELS.iter().find(|(ours, _)| *ours == label).map(|(_, encoding)| *encoding);
        let encoding = Encoding::for_label_no_replacement(label.as_bytes()).or_else(other)?;
        let is_simple = encoding.is_single_byte() && encoding != X_USER_DEFINED;
        let serves = is_simple || [BIG5, EUC_JP, EUC_KR, GB18030, GBK, SHIFT_JIS].contains(&encoding);
        serves.then_some(Self(encoding))
    }

    /// Whether `]` may be a part of another character. A reader who takes the body for something else, because it does
    /// not look where the encoding is named, would find other markup in it.
    pub(super) fn hides_markup(self) -> bool {
        [BIG5, GB18030, GBK, SHIFT_JIS].contains(&self.0)
    }

    /// Whether every character is one of this encoding: readers differ on how many bytes a malformed one takes up.
    pub(super) fn is_sound(self, document: &[u8]) -> bool {
        // What the characters are matters to nobody here, so that the text is thrown away as it comes.
        let mut characters = [0_u8; 4096];
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let mut rest = document;
        loop {
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut characters, true);
            rest = rest.get(read..).unwrap_or_default();
            if text::has_non_characters(characters.get(..written).unwrap_or_default()) {
                return false;
            }
            match result {
                DecoderResult::InputEmpty => return true,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => return false,
            }
        }
    }

    /// How many bytes the well-formed character takes up that these begin with.
    pub(super) fn width(self, rest: &[u8]) -> usize {
        let encoding = self.0;
        match *rest {
            [0..=0x7F, ..] => 1,
            [0x80 | 0xA0..=0xDF | 0xFD.., ..] if encoding == SHIFT_JIS => 1,
            [0x8F, ..] if encoding == EUC_JP => 3,
            // The euro sign.
            [0x80, ..] if encoding == GBK || encoding == GB18030 => 1,
            [_, b'0'..=b'9', ..] if encoding == GBK || encoding == GB18030 => 4,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{
        EntryId, Format, render,
        wild::{check_parts, doc, pieces},
    };

    const MULTI_BYTE: [&str; 6] = ["big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis"];

    /// F23: each character of the first plane, and some beyond.
    #[test]
    fn every_character_of_every_encoding_has_its_own_width_and_no_markup_in_it() {
        for label in MULTI_BYTE {
            let legacy = Legacy::of(label).unwrap();
            let (mut characters, mut with_ascii) = (0, 0);
            for c in ('\u{80}'..='\u{fffd}').chain(['\u{20000}', '\u{1f980}', '\u{2f9d4}']) {
                let mut text = [0; 4];
                let (bytes, _, is_lossy) = legacy.0.encode(c.encode_utf8(&mut text));
                // Two in Shift_JIS and EUC-JP are encoded as ASCII: the yen sign and the overline.
                if is_lossy || bytes.is_ascii() {
                    continue;
                }
                characters += 1;
                let tail = bytes.get(1..).unwrap();
                with_ascii += usize::from(tail.iter().any(u8::is_ascii));
                assert!(tail.iter().all(|b| !b"\t\n\r !\"#&'()-/:;<=>?".contains(b)), "{label} {c}");
                assert!(legacy.is_sound(&bytes), "{label} {c}");
                assert_eq!(legacy.width(&[&bytes, &b"]]>"[..]].concat()), bytes.len(), "{label} {c}");
            }
            assert!(characters > 6000, "{label}: {characters}");
            assert_eq!(with_ascii > 0, label != "euc-jp", "{label}");
            assert_eq!(legacy.width(b"]]>"), 1);
        }
    }

    /// Of three bytes in EUC-JP, which are read but never written, and the euro sign of one byte in GBK.
    #[test]
    fn characters_that_are_never_encoded_have_a_width_too() {
        let widths = |label: &str, mut rest: &[u8]| {
            let legacy = Legacy::of(label).unwrap();
            assert!(legacy.is_sound(rest));
            let mut widths = Vec::new();
            while !rest.is_empty() {
                widths.push(legacy.width(rest));
                rest = &rest[legacy.width(rest)..];
            }
            widths
        };
        assert_eq!(widths("euc-jp", b"a\x8F\xB0\xA1\x8E\xB1]"), [1, 3, 2, 1]);
        assert_eq!(widths("gbk", b"\x80]\x81\x5D]"), [1, 1, 2, 1]);
        assert_eq!(widths("shift_jis", b"\xB1]\x81\x5D]\x80"), [1, 1, 2, 1, 1]);
    }

    #[test]
    fn a_malformed_character_makes_the_whole_unreadable() {
        let bad: [(&str, &[u8]); 12] = [
            ("shift_jis", b"<a>\x81</a>"),
            ("shift_jis", b"<a>\xFF</a>"),
            ("gbk", b"<a>\x81"),
            ("gb18030", b"<a>\x81\x30<</a>"),
            ("big5", b"<a>\x81<"),
            ("euc-jp", b"<a>\x8F\xA1</a>"),
            ("euc-kr", b"<a>\xB0 </a>"),
            ("euc-jp", b"<a>\xE3\x81\x82</a>"),
            ("windows-1253", b"<a>\xD2</a>"),
            ("iso-8859-3", b"<a>\xA5</a>"),
            ("gb18030", b"<a>\x84\x31\xA4\x38</a>"),
            ("gb18030", b"<a>\x84\x31\xA4\x39</a>"),
        ];
        for (label, body) in bad {
            assert!(!Legacy::of(label).unwrap().is_sound(body), "{label} {body:x?}");
            // However far in, and however much has to be looked at before.
            let body = [&[b'x'; 10_000], body].concat();
            assert!(!Legacy::of(label).unwrap().is_sound(&body), "{label} {body:x?}");
        }
        assert!(
            Legacy::of("windows-1252")
                .unwrap()
                .is_sound(&[b"\x81\xFFa".as_slice(), &[0xE9; 10_000]].concat())
        );
    }

    #[test]
    fn an_encoding_goes_by_all_its_names_and_some_are_refused_by_any() {
        let same = [
            ("latin1", "windows-1252"),
            ("latin-1", "iso-8859-1"),
            ("cp1252", "windows-1252"),
            ("iso8859-15", "iso-8859-15"),
            ("x-sjis", "shift_jis"),
            ("cp932", "shift_jis"),
            ("windows-31j", "shift_jis"),
            ("gb2312", "gbk"),
            ("ks_c_5601-1987", "euc-kr"),
            ("x-euc-jp", "euc-jp"),
            ("koi8", "koi8-r"),
            ("cp1251", "windows-1251"),
        ];
        for (one, other) in same {
            assert!(Legacy::of(one).is_some(), "{one}");
            assert_eq!(Legacy::of(one), Legacy::of(other), "{one}");
        }
        let refused = [
            "utf-8",
            "utf-16",
            "utf-16le",
            "utf-16be",
            "utf-32",
            "utf-7",
            "iso-2022-jp",
            "iso-2022-kr",
            "iso-2022-cn",
            "hz-gb-2312",
            "x-user-defined",
            "ebcdic-cp-us",
            "none",
            "",
        ];
        for label in refused {
            assert_eq!(Legacy::of(label), None, "{label}");
        }
    }

    fn feed_in(encoding: &str, words: &str) -> (String, Vec<String>) {
        let entry = |n: u32| {
            format!(
                "<entry><id>{words}{n}</id><title x=\"{words}\">{words}</title><c><![CDATA[{words}]</entry>{words}]]></c><!--{words}--></entry>"
            )
        };
        let entries: Vec<_> = (1..=3).map(entry).collect();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?><!DOCTYPE feed [<!ENTITY e \"{words}\"><!--{words}-->]>\
         <feed xmlns=\"http://www.w3.org/2005/Atom\"><title>{words}</title>{}</feed>",
            entries.join("\n")
        );
        (body, entries)
    }

    /// F23: in the bytes it came in; ids that are words of the language included.
    #[test]
    fn feeds_in_old_encodings_are_taken_apart_where_their_bytes_lie() {
        let labels_and_words = [
            ("windows-1251", "Ещё, съешь"),
            ("koi8-r", "чаю"),
            ("KOI8-U", "їжак"),
            ("ISO-8859-1", "café"),
            ("latin1", "naïve"),
            ("iso-8859-15", "œuf à 3 €"),
            ("iso-8859-2", "žluťoučký"),
            ("iso-8859-9", "ığdır"),
            ("cp1252", "“dash” – €"),
            ("windows-1256", "سلام"),
            ("tis-620", "สวัสดี"),
            ("macintosh", "Zürich"),
            // With `]`, `[`, `\`, `|`, `@` as the second byte of a character.
            ("Shift_JIS", "ー‐‐ 表ソ十ポ ｶﾅ ゛"),
            ("x-sjis", "運‐"),
            ("cp932", "①髙"),
            ("Big5", "功許蓋 么乙乜 （）"),
            ("GBK", "乗乚乛 丂 €"),
            ("gb2312", "中文"),
            ("gb18030", "ÿ 🦀 乗乚"),
            ("EUC-JP", "ー表 ｶﾅ ‐"),
            ("EUC-KR", "한글 똠방각하 믜"),
            ("ks_c_5601-1987", "펲시콜라"),
            ("us-ascii", "plain"),
            ("UTF-8", "ー🦀"),
        ];
        for (label, words) in labels_and_words {
            let (body, entries) = feed_in(label, words);
            let other = match label {
                "cp932" => "shift_jis",
                _ => label,
            };
            let encoding = Encoding::for_label(other.as_bytes()).unwrap();
            let encode = |text: &str| {
                let (bytes, _, is_lossy) = encoding.encode(text);
                assert!(!is_lossy, "{label} cannot write {text}");
                bytes.into_owned()
            };
            let bytes = encode(&body);
            let document = doc(&bytes);
            assert_eq!(document.format, Format::Atom, "{label}");
            assert_eq!(
                pieces(&bytes, &document),
                entries.iter().map(|e| encode(e)).collect::<Vec<_>>(),
                "{label}"
            );
            let ids: Vec<_> = document.entries.iter().map(|entry| entry.id).collect();
            assert_eq!(ids, [1, 2, 3].map(|n| EntryId::of(&encode(&format!("{words}{n}")))), "{label}");
            check_parts(label, &bytes);
            let broken = [&bytes[..], b"<!--\xFF\xFF<-->"].concat();
            let is_legible =
                encoding.decode_without_bom_handling_and_without_replacement(b"\xFF\xFF").is_some();
            assert_eq!(doc(&broken).format.is_feed(), is_legible && label != "us-ascii", "{label}");
        }
    }

    /// F23: markup that is not in ASCII, or ASCII that is not itself.
    #[test]
    fn feeds_in_encodings_that_cannot_be_read_in_place_go_out_whole() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| {
                if big { unit.to_be_bytes() } else { [unit.to_be_bytes()[1], unit.to_be_bytes()[0]] }
            };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let utf32 =
            |text: &str| -> Vec<u8> { text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect() };
        let (marked, _) = feed_in("utf-16", "\u{feff}é");
        let with_mark = format!("\u{feff}{marked}");
        let (japanese, _) = feed_in("ISO-2022-JP", "日本");
        let japanese = Encoding::for_label(b"iso-2022-jp").unwrap().encode(&japanese).0.into_owned();
        let named = |label: &str| feed_in(label, "+AOk").0.into_bytes();
        let bodies = [
            ("UTF-16LE", utf16(&with_mark, false)),
            ("UTF-16BE", utf16(&with_mark, true)),
            ("UTF-16 without a mark", utf16(&marked, false)),
            ("UTF-16 by name only", named("utf-16")),
            ("UTF-32", utf32(&with_mark)),
            ("UTF-7", named("utf-7")),
            ("ISO-2022-JP", japanese),
            ("ISO-2022-JP that needs no escape", named("iso-2022-jp")),
            ("ISO-2022-KR", named("iso-2022-kr")),
            ("HZ", named("hz-gb-2312")),
            ("EBCDIC", named("ebcdic-cp-us")),
            ("no encoding", named("utf-9")),
            ("an empty name", named("")),
        ];
        for (name, body) in bodies {
            let document = doc(&body);
            assert_eq!(document.format, Format::Opaque, "{name}");
            assert_eq!(render(&body, &document, &mut |_| false).body, body, "{name}");
        }
    }
}
