//! A body with the marks of its journey taken off: escapes, entities, line breaks, quotes.
//!
//! Error texts arrive as JSON in JSON, XML in a log line, HTML, a terminal's wrapped columns. All
//! of them keep the letters and digits in order, so that is what sentences are looked for in.

/// The first 64 KiB of a body, in two readings; both are ASCII.
pub(super) struct Plain {
    /// Unescaped, case and blanks kept: for names, which blanks delimit.
    pub(super) readable: String,
    /// Unescaped, lower case, without blanks, quotes, markup of words, and the marks at the
    /// beginning of a quoted or commented line: for sentences and times, which are wrapped anywhere.
    pub(super) squeezed: String,
}

impl Plain {
    /// Reads any bytes: what is not ASCII is kept as a place (`readable`) or left out (`squeezed`).
    pub(super) fn read(body: &[u8]) -> Self {
        let mut rest = body.get(..LIMIT).unwrap_or(body);
        let mut readable = Vec::with_capacity(rest.len());
        let mut squeezed = Vec::with_capacity(rest.len());
        let mut line_begins = true;
        loop {
            // Nearly all of a text, and read at once.
            let length = rest.iter().take_while(|byte| is_ordinary(**byte)).count();
            let (ordinary, special) = rest.split_at_checked(length).unwrap_or((&[], rest));
            readable.extend_from_slice(ordinary);
            let letters = ordinary.iter().filter(|byte| **byte != b' ');
            let before = squeezed.len();
            squeezed.extend(letters.map(u8::to_ascii_lowercase));
            line_begins &= squeezed.len() == before;
            let Some((byte, after)) = decode(special) else {
                break;
            };
            rest = if byte == ESCAPE {
                skip_colour(after)
            } else {
                after
            };
            match byte {
                // UTF-16 has one beside every letter.
                0 => continue,
                128.. => readable.push(b'?'),
                _ => readable.push(byte),
            }
            match byte {
                b'\n' => line_begins = true,
                b'>' | b'#' | b'/' if line_begins => {}
                b'"' | b'\'' | b'`' | b'*' | b'|' | b'_' => {}
                b'!'..=b'~' => {
                    line_begins = false;
                    squeezed.push(byte.to_ascii_lowercase());
                    if byte == b'>' {
                        squeezed.truncate(before_inline_tag(&squeezed));
                    }
                }
                _ => {}
            }
        }
        let text = |ascii| String::from_utf8(ascii).unwrap_or_default();
        Self {
            readable: text(readable),
            squeezed: text(squeezed),
        }
    }
}

/// Whether a byte stands for itself wherever it stands, or is a blank.
const fn is_ordinary(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
        && !matches!(
            byte,
            b'"' | b'#' | b'&' | b'\'' | b'*' | b'/' | b'>' | b'\\' | b'_' | b'`' | b'|'
        )
}

/// The next character, unescaped, and what follows it. Escaped twice is escaped: `\\\"`, `&amp;lt;`.
fn decode(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        b'\\' => {
            let rest = rest.get(rest.iter().take_while(|b| **b == b'\\').count()..)?;
            match rest {
                [b'n' | b'r', rest @ ..] => Some((b'\n', rest)),
                [b't', rest @ ..] => Some((b' ', rest)),
                [b'u', digits @ ..] => code_point(digits, 4, 16).or(Some((b'u', digits))),
                [b'x', digits @ ..] => code_point(digits, 2, 16).or(Some((b'x', digits))),
                [other, rest @ ..] => Some((*other, rest)),
                [] => None,
            }
        }
        b'&' => {
            let mut name = rest;
            while let Some(again) = name.strip_prefix(b"amp;") {
                name = again;
            }
            let named = ENTITIES
                .iter()
                .find_map(|(entity, byte)| Some((*byte, name.strip_prefix(*entity)?)));
            named
                .or_else(|| numeric_entity(name))
                .or(Some((b'&', name)))
        }
        _ => Some((first, rest)),
    }
}

/// Where the text ends without a last tag that only changes the look of words: `<b>`, `<br/>`.
fn before_inline_tag(text: &[u8]) -> usize {
    let from = text.len().saturating_sub(64);
    let tag = text.get(from..).and_then(|end| {
        let start = end.iter().rposition(|byte| *byte == b'<')?;
        Some((from + start, str::from_utf8(end.get(start + 1..)?).ok()?))
    });
    let is_inline = |tag: &str| {
        let name = tag.trim_matches(['/', '>']);
        INLINE.contains(&name) || name.starts_with("spanclass=") || name.starts_with("spanstyle=")
    };
    tag.filter(|(_, tag)| is_inline(tag))
        .map_or(text.len(), |(start, _)| start)
}

/// What follows a terminal's escape character: `[31m`.
fn skip_colour(bytes: &[u8]) -> &[u8] {
    let parameters = bytes.strip_prefix(b"[").unwrap_or_default();
    let length = parameters
        .iter()
        .take(16)
        .take_while(|b| b.is_ascii_digit() || **b == b';')
        .count();
    parameters
        .get(length..)
        .and_then(|rest| rest.strip_prefix(b"m"))
        .unwrap_or(bytes)
}

fn numeric_entity(name: &[u8]) -> Option<(u8, &[u8])> {
    let digits = name.strip_prefix(b"#")?;
    let (digits, radix) = match digits {
        [b'x' | b'X', hex @ ..] => (hex, 16),
        decimal => (decimal, 10),
    };
    // Seven digits hold every code point in either radix.
    let length = digits.iter().take(8).position(|b| *b == b';')?;
    let (byte, rest) = code_point(digits, length, radix)?;
    Some((byte, rest.strip_prefix(b";")?))
}

/// The character of that many digits; one outside ASCII is told by its place only.
fn code_point(bytes: &[u8], length: usize, radix: u32) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(length)?;
    // `from_str_radix` would take a sign.
    digits.iter().all(u8::is_ascii_alphanumeric).then_some(())?;
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    Some((u8::try_from(code).unwrap_or(u8::MAX), rest))
}

/// What is looked at of a body: S3's longest errors (a canonical request told back) have 10 KiB.
const LIMIT: usize = 64 * 1024;

const ESCAPE: u8 = 0x1b;

const INLINE: [&str; 10] = [
    "b", "br", "code", "em", "i", "mark", "span", "strong", "tt", "wbr",
];

const ENTITIES: [(&[u8], u8); 5] = [
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"nbsp;", b' '),
];

#[cfg(test)]
mod tests {
    use super::{LIMIT, Plain};

    #[track_caller]
    fn check(body: &str, squeezed: &str) {
        assert_eq!(Plain::read(body.as_bytes()).squeezed, squeezed, "{body}");
    }

    #[test]
    fn every_escape_is_taken_off() {
        check(r#"{\"a\":\"b\nc\tD\"}"#, "{a:bcd}");
        check(r#"{\\\"a\\\":\\n1}"#, "{a:1}");
        check(
            "&lt;A&gt;&quot;b&#x2F;c&#47;d&apos;&amp;lt;&amp;amp;gt;",
            "<a>b/c/d<>",
        );
        check(r"\u003cA\u003E\x3cB\/", "<a><b/");
        check("& &x; &#; &#xzz; \\uzzzz \\", "&&x;&#;&#xzz;uzzzz");
    }

    #[test]
    fn wrapped_quoted_and_commented_lines_are_joined() {
        check("is \nnow ear\nlier", "isnowearlier");
        check("> is now\n> earlier", "isnowearlier");
        check("// is now\n// earlier", "isnowearlier");
        check("│ is now\n│ earlier", "isnowearlier");
        check("too `large. server’s 'time'", "toolarge.serverstime");
        check("i\0s\0 \0n\0o\0w\0", "isnow");
        check(
            "\x1b[31m│\x1b[0m \\u001b[1;4mis\x1b[0mnow \x1b \x1b[x",
            "isnow[x",
        );
        check(
            "<pre>is <b>now</b><br/>ear<wbr>lier <span class='x'>than</span> <br",
            "<pre>isnowearlierthan<br",
        );
    }

    #[test]
    fn names_stay_apart_in_the_readable_form() {
        let plain = Plain::read("Code: \\\"Abc\\\"\\nDéf".as_bytes());
        assert_eq!(plain.readable, "Code: \"Abc\"\nD??f");
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        assert_eq!(Plain::read(&vec![b'a'; LIMIT + 1]).squeezed.len(), LIMIT);
        assert_eq!(Plain::read(&vec![b'\\'; LIMIT + 1]).squeezed.len(), 0);
        assert_eq!(Plain::read(&vec![b'&'; LIMIT + 1]).squeezed.len(), LIMIT);
    }
}
