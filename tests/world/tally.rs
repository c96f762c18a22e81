//! Counts of what happened.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.count_if(true, what);
    }

    /// Counts. What never happened is a zero in the table, not a gap.
    pub(crate) fn count_if(&mut self, happened: bool, what: &'static str) {
        *self.0.entry(what).or_default() += u64::from(happened);
    }

    pub(crate) fn count_many(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times as u64;
    }

    pub(crate) fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Returns what was looked at.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// Returns these counts in the form of the documents.
    pub(crate) fn figures(&self, what: &[&'static str]) -> String {
        let figures = what
            .iter()
            .map(|what| format!("{} {what}", with_commas(self.get(what))));
        figures.collect::<Vec<_>>().join("; ")
    }

    /// Fails if any of these has happened, or was not counted at all.
    #[track_caller]
    pub(crate) fn never(&self, what: &[&'static str]) {
        for what in what {
            assert_eq!(self.0.get(what), Some(&0), "{what}: {self}");
        }
    }

    /// Fails if any of these has not happened: the world lacked something that it is meant to
    /// contain.
    #[track_caller]
    pub(crate) fn happened(&self, what: &[&'static str]) {
        for what in what {
            assert!(self.get(what) > 0, "{what}: {self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            write!(f, "\n{times:>12} {what}")?;
        }
        Ok(())
    }
}

fn with_commas(count: u64) -> String {
    let thousands = count / 1_000;
    if thousands == 0 {
        return count.to_string();
    }
    format!("{},{:03}", with_commas(thousands), count % 1_000)
}
