//! JSON that may stand in an HTML file: no byte of it can end the element that it is in, or begin another one.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

/// Writes a value as such JSON.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut writer = serde_json::Serializer::with_formatter(out, NoMarkup);
    value.serialize(&mut writer).map_err(io::Error::from)
}

/// Text for the few places outside of those blocks.
pub(super) fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

struct NoMarkup;

impl Formatter for NoMarkup {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&']) {
            let escaped: &[u8] = match rest.as_bytes()[at] {
                b'<' => b"\\u003c",
                b'>' => b"\\u003e",
                _ => b"\\u0026",
            };
            writer.write_all(&rest.as_bytes()[..at])?;
            writer.write_all(escaped)?;
            rest = &rest[at + 1..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_block_is_markup_and_it_reads_back_the_same() {
        let told = "</script><!-- <script> &lt; \" \\ \u{2028} é";
        let mut out = Vec::new();
        json(&mut out, &told).expect("memory takes it");
        let block = String::from_utf8(out).expect("text");
        assert!(!block.contains(['<', '>', '&']), "{block}");
        assert_eq!(serde_json::from_str::<String>(&block).expect("JSON"), told);
    }

    #[test]
    fn text_outside_is_escaped() {
        assert_eq!(text("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
