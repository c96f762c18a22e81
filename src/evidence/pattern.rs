//! [`Pattern`]: a regular expression that runs only near its anchor word.

use crate::timestamp;
use regex::bytes::{Captures, Regex, RegexBuilder};
use std::sync::OnceLock;
use std::time::SystemTime;

/// A regular expression in which `TIME` stands for [`TIME`], and each blank for [`GAP`]. It
/// is compiled when a text contains its anchor for the first time.
pub(super) struct Pattern(&'static str, OnceLock<Regex>);

/// All layouts in which servers are known to write a time; [`timestamp::read`] reads them.
const TIME: &str = concat!(
    r"(?:\d{8}t\d{6}z",
    r"|\d{4}-\d\d-\d\d[t\x20]\d\d:\d\d:\d\d(?:[.,]\d{1,12})?(?:z|[+-]\d\d:?\d\d)",
    r"|(?:[a-z]{3},\x20)?\d{1,2}\x20[a-z]{3}\x20\d{4}\x20\d\d:\d\d:\d\d\x20(?:gmt|utc|[+-]\d{4})",
    r"|\d{13}\b|\d{10}\b)",
);

/// The characters between two words or beside a time: none if a line was broken there, or
/// the quotes, escapes and line marks of logs and terminals.
const GAP: &str =
    r#"(?:\\[nrt]|\\u00[0-9a-f]{2}|&(?:nbsp|quot|apos|#x?[0-9a-f]{2});|[\x20\t"'`*|>#/\\:]){0,4}"#;

impl Pattern {
    pub(super) const fn new(source: &'static str) -> Self {
        Self(source, OnceLock::new())
    }

    /// Runs the pattern around each occurrence of an anchor, beginning `before` bytes
    /// before it.
    ///
    /// It takes linear time for any text: only the first [`MOST`] occurrences count, and
    /// only a bounded part of the text around each.
    pub(super) fn near<'t>(
        &'static self,
        text: &'t str,
        anchor: &'static str,
        before: usize,
    ) -> impl Iterator<Item = Found<'t>> {
        // `contains` is several times faster than `match_indices`.
        let places = text.contains(anchor).then(|| text.match_indices(anchor));
        let places = places.into_iter().flatten().take(MOST);
        let all = places.scan(0, move |from, (at, _)| {
            let start = at.saturating_sub(before).max(*from);
            let window = text.get(start..text.len().min(at + AFTER))?.as_bytes();
            let is_new = at >= *from;
            let found = self.compiled().captures(window).filter(|_| is_new);
            let end = found.as_ref().map(|found| start + found.get_match().end());
            *from = end.unwrap_or(*from);
            Some(found.map(Found))
        });
        all.flatten()
    }

    fn compiled(&self) -> &Regex {
        self.1.get_or_init(|| {
            let source = self.0.replace(' ', GAP).replace("TIME", TIME);
            let builder = RegexBuilder::new(&source).unicode(false).build();
            #[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
            builder.expect("a valid pattern")
        })
    }
}

/// A match of a pattern.
pub(super) struct Found<'t>(Captures<'t>);

impl<'t> Found<'t> {
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        str::from_utf8(self.0.name(name)?.as_bytes()).ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<SystemTime> {
        timestamp::read(self.get(name)?)
    }
}

/// The longest sentence, with its gaps, ends within this many bytes after its anchor.
const AFTER: usize = 256;
/// The number of occurrences that count. A text has one sentence, or one and its copy;
/// other sentences may contain the anchor as well.
const MOST: usize = 16;
