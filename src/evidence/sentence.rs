//! The sentence with which SigV4 services reject a time.

use super::Rejection;
use super::field::{Amount, GREATEST_TOLERANCE, amount_of_time, skip_marks, stamp_or_gap};
use super::message::{Said, Times};
use super::stamp;
use std::time::SystemTime;

/// `Signature expired: A is now earlier than B (C - 15 min.)` and its mirror, whole or in part.
pub(super) fn sentence(text: &str) -> Option<Said> {
    let mut best: Option<Said> = None;
    for (phrase, way) in [
        (NOW_EARLIER, Rejection::Behind),
        (STILL_LATER, Rejection::Ahead),
    ] {
        for (at, _) in text.match_indices(phrase).take(MOST_SENTENCES) {
            let Some(times) = sentence_times(text.get(..at)?, text.get(at + phrase.len()..)?, way)
            else {
                return Some(Said::rejection(way));
            };
            match &mut best {
                None => {
                    best = Some(Said {
                        times,
                        ..Said::rejection(way)
                    })
                }
                // Early and late at once: no clock is.
                Some(said) if said.rejection != Some(way) => {
                    return Some(Said::rejection(Rejection::Unspecified));
                }
                // SDKs print a message twice, once cut: the more complete one counts, then the first.
                Some(said) if times.completeness() > said.times.completeness() => {
                    said.times = times
                }
                Some(_) => {}
            }
        }
    }
    best.or_else(|| cut_sentence(text))
}

/// The times around "is now earlier than". `None` if they contradict each other.
fn sentence_times(before: &str, after: &str, way: Rejection) -> Option<Times> {
    let request = last_stamp(before);
    let after = skip_marks(after);
    let (bound, after) = stamp_or_gap(after);
    let after = skip_marks(after);
    // "than ... (C - 5 min.)": whatever stands for B ends at the parenthesis.
    let opening = if bound.is_some() { 1 } else { 32 };
    let opening = after
        .bytes()
        .take(opening)
        .position(|b| matches!(b, b'(' | b'['));
    let inside = opening
        .and_then(|at| after.get(at + 1..))
        .unwrap_or_default();
    let (server, inside) = stamp_or_gap(inside);
    let sign = match server {
        // None where the dash is not ASCII, and so left out: the words tell the sign.
        Some(_) => Some(0).filter(|_| inside.starts_with(['-', '+'])),
        None => inside
            .bytes()
            .take(24)
            .position(|b| matches!(b, b'-' | b'+')),
    };
    let amount = match (server, sign) {
        (_, Some(at)) => inside.get(at + 1..),
        (Some(_), None) => Some(inside),
        (None, None) => None,
    };
    let sign = sign.and_then(|at| inside.as_bytes().get(at).copied());
    let stated = Times {
        request,
        bound,
        server,
        tolerance: None,
        in_field: false,
    };
    stated.reconciled(way, sign, amount.and_then(amount_of_time))
}

/// A sentence cut before its second half, or one whose second half is damaged.
fn cut_sentence(text: &str) -> Option<Said> {
    let anchors = [
        ("signatureexpired", Rejection::Behind),
        ("signaturenotyet", Rejection::Ahead),
    ];
    anchors.into_iter().find_map(|(anchor, way)| {
        text.match_indices(anchor)
            .take(MOST_SENTENCES)
            .find_map(|(at, _)| {
                let (before, after) = (
                    text.get(..at)?,
                    text.get(at + anchor.len()..)?.trim_start_matches("current"),
                );
                // "Request signature expired at: …" is Google's about a URL, "token signature" somebody's
                // about a token. A word before, as in `InvalidSignatureException Signature expired: `,
                // wants the colon.
                let of_another = ["request", "token", "url"]
                    .iter()
                    .any(|word| before.ends_with(word));
                let begins = !before.ends_with(|c: char| c.is_ascii_alphanumeric())
                    || after.starts_with(':');
                let goes_on = ["at", "on"].iter().any(|word| after.starts_with(word));
                let request = stamp_or_gap(skip_marks(after)).0;
                let said = Said {
                    times: Times {
                        request,
                        ..Times::default()
                    },
                    ..Said::rejection(way)
                };
                (begins && !of_another && !goes_on).then_some(said)
            })
    })
}

impl Times {
    fn completeness(&self) -> u8 {
        let weigh = |time: Option<SystemTime>, weight| if time.is_some() { weight } else { 0 };
        weigh(self.server, 4) + weigh(self.bound, 2) + weigh(self.request, 1)
    }

    /// Checks C = B ± tolerance and which side A is on, as far as they are stated.
    fn reconciled(
        mut self,
        way: Rejection,
        sign: Option<u8>,
        amount: Option<Amount>,
    ) -> Option<Self> {
        let expired = way == Rejection::Behind;
        let against = if expired { b'+' } else { b'-' };
        if amount.is_some() && sign == Some(against) {
            return None;
        }
        // How far the server's time is past the bound, in the direction of the sentence.
        let apart = |bound, server: SystemTime| {
            let (later, earlier) = if expired {
                (server, bound)
            } else {
                (bound, server)
            };
            later.duration_since(earlier).ok()
        };
        self.tolerance = match (amount, self.bound.zip(self.server)) {
            (Some(Amount::Whole(stated)), Some((bound, server))) => {
                (apart(bound, server)? == stated).then_some(Some(stated))?
            }
            (Some(Amount::Whole(stated)), None) => Some(stated),
            // "- 1" may be the beginning of "- 15 min."; what it says is taken where it agrees.
            (amount, Some((bound, server))) => {
                let apart = apart(bound, server)?;
                (!apart.is_zero()
                    && apart <= GREATEST_TOLERANCE
                    && apart.as_nanos() % 60_000_000_000 == 0)
                    .then_some(())?;
                (amount == Some(Amount::Cut(apart.as_secs() / 60))).then_some(apart)
            }
            (_, None) => None,
        };
        let tolerance = self.tolerance.unwrap_or_default();
        let bound = self.bound.or(self.server.and_then(|server| match expired {
            true => server.checked_sub(tolerance),
            false => server.checked_add(tolerance),
        }));
        if let (Some(request), Some(bound)) = (self.request, bound) {
            // Equal is right: both are cut to seconds.
            (if expired {
                request <= bound
            } else {
                request >= bound
            })
            .then_some(())?;
        }
        Some(self)
    }
}

/// The last time of a text, if nothing but a mark follows it.
fn last_stamp(text: &str) -> Option<SystemTime> {
    let window = text.get(text.len().saturating_sub(48)..)?;
    let mut after_digit = false;
    (0..window.len()).find_map(|at| {
        let rest = window.get(at..)?;
        let inside_a_number = std::mem::replace(
            &mut after_digit,
            rest.starts_with(|c: char| c.is_ascii_digit()),
        );
        let (time, length) = stamp::read(rest).filter(|_| !inside_a_number)?;
        skip_marks(rest.get(length..)?).is_empty().then_some(time)
    })
}

/// A text has one sentence, or one and its copy; a text of nothing but sentences costs no more.
const MOST_SENTENCES: usize = 8;

const NOW_EARLIER: &str = "isnowearlierthan";
const STILL_LATER: &str = "isstilllaterthan";

#[cfg(test)]
mod tests {
    use super::super::message::tests::{said, summary};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(summary(&said("", text)), expected, "{text}");
    }

    #[test]
    fn whole_sentences_state_everything() {
        let behind = "Behind 1000 1005 1020 900";
        check(
            "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)",
            behind,
        );
        check(
            "SIGNATURE EXPIRED: `@100000Z` is now earlier than `@100500Z` (@102000Z – 15 min.)",
            behind,
        );
        check(
            "2026-01-01T10:00:00Z is now earlier than 2026-01-01 10:05:00.000+00:00 (@102000Z - 900 sec",
            behind,
        );
        check(
            "Thu, 1 Jan 2026 10:00:00 GMT is now earlier than Thu, 01 Jan 2026 10:05:00 +0000 (@102000Z - 15 min",
            behind,
        );
        check(
            "1767261600 is now earlier than 1767261900000 [1767262800 - 15 min.]",
            behind,
        );
        let ahead =
            "Signature not yet current: @102000Z is still later than @100500Z (@100000Z + 5 min.)";
        check(ahead, "Ahead 1020 1005 1000 300");
        check(
            "is\nstill\tlater than: @100500Z(@100000Z+5min",
            "Ahead - 1005 1000 300",
        );
    }

    #[test]
    fn a_part_states_what_is_left() {
        let uncut = "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
        for (cut, expected) in [
            ("5 min.)", "Behind 1000 1005 1020 -"),
            (" - 15 min.)", "Behind 1000 1005 1020 -"),
            ("00Z - 15 min.)", "Behind 1000 1005 - -"),
            ("500Z (@102000Z - 15 min.)", "Behind 1000 - - -"),
            (
                "lier than @100500Z (@102000Z - 15 min.)",
                "Behind 1000 - - -",
            ),
            (
                "00Z is now earlier than @100500Z (@102000Z - 15 min.)",
                "Behind - - - -",
            ),
        ] {
            check(uncut.strip_suffix(cut).unwrap(), expected);
        }
        check(
            "is now earlier than @100500Z (Service: SQS; Status Code: 403)",
            "Behind - 1005 - -",
        );
        check(
            "Signature expired: @100000Z is now earlier than … (… - 5 min.)",
            "Behind 1000 - - 300",
        );
        check(
            "Signature expired: date is now earlier than date (@102000Z - 5 min.)",
            "Behind - - 1020 300",
        );
        check(
            "InvalidSignatureException Signature expired: ...",
            "Behind - - - -",
        );
        check("Signature expired.", "Behind - - - -");
        check("Signature not yet curr", "Ahead - - - -");
    }

    #[test]
    fn copies_complete_each_other_and_the_first_counts() {
        let whole = "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
        let behind = "Behind 1000 1005 1020 900";
        check(
            &format!("Signature expired: @100000Z is now earl (truncated...) {whole}"),
            behind,
        );
        check(
            &format!("@100000Z is now earlier than @1005 (truncated...) {whole} - {whole}"),
            behind,
        );
        check(
            &format!("{whole} then @110000Z is now earlier than @110500Z (@112000Z - 15 min.)"),
            behind,
        );
    }

    #[test]
    fn contradictions_state_no_time() {
        for text in [
            "@100000Z is now earlier than @100500Z (@102001Z - 15 min.)",
            "@100000Z is now earlier than @100500Z (@102000Z + 15 min.)",
            "@102000Z is now earlier than @100500Z (@102000Z - 15 min.)",
            "@100000Z is now earlier than @102000Z (@102000Z",
            "@100000Z is now earlier than @102000Z (@102001Z",
            "@100000Z is now earlier than @103500Z (@102000Z - 15 min.)",
            "@100000Z is now earlier than @102000Z (@102000Z - 5 min.), @100000Z is now earlier than @101500Z",
        ] {
            check(text, "Behind - - - -");
        }
        check("@102000Z is still later than @103000Z", "Ahead - - - -");
        let both = "@100000Z is now earlier than @100500Z, @102000Z is still later than @100500Z";
        check(both, "Unspecified - - - -");
        let edge = "@100500Z is now earlier than @100500Z (@102000Z - 15 min.)";
        check(edge, "Behind 1005 1005 1020 900");
    }

    #[test]
    fn other_sentences_are_none_of_ours() {
        check(
            "Request signature expired at: 2026-01-01T10:00:00+00:00",
            "None - - - -",
        );
        check(
            "the token signature expired: 2026-01-01T10:00:00Z",
            "None - - - -",
        );
        check("Your signature expired on Thu, 1 Jan 2026", "None - - - -");
        check("Signature has expired", "None - - - -");
        check("", "None - - - -");
    }
}
