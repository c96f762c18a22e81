//! The clock skew errors of services: those of the corpus, with current times in place of theirs.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::{Value, json};

use crate::clocks::{MINUTE, shifted};

/// A response that says that a request's time is wrong.
#[derive(Clone, Debug)]
pub(crate) struct SkewError {
    /// The id of the row in the corpus.
    pub(crate) id: String,
    pub(crate) status: u16,
    pub(crate) error_type: Option<String>,
    /// The text, with tokens in place of times.
    body: String,
    pub(crate) way: Way,
    /// The tolerance that it states.
    window: Option<Duration>,
    /// It states the server's time or a bound, so it needs no `Date`.
    pub(crate) has_time: bool,
    /// It states only a bound of the server's time.
    pub(crate) has_only_a_bound: bool,
}

/// The signatures that it fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Behind,
    Ahead,
    Either,
}

impl SkewError {
    /// Returns whether it fits a signature that is too old, or one from the future, at a service
    /// with this tolerance.
    pub(crate) fn fits(&self, is_old: bool, tolerance: Duration) -> bool {
        let way = if is_old { Way::Behind } else { Way::Ahead };
        (self.way == Way::Either || self.way == way)
            && self.window.is_none_or(|window| window == tolerance)
    }

    /// Returns whether the text states the time of the request. If it does not, and comes from a
    /// cache, it may be about another request, and is ignored.
    pub(crate) fn states_request_time(&self) -> bool {
        (0..LAYOUTS.len()).any(|layout| self.body.contains(&token(0, layout)))
    }

    /// Returns the text of a server whose clock shows `server`.
    pub(crate) fn text(
        &self,
        signed: SystemTime,
        server: SystemTime,
        tolerance: Duration,
    ) -> String {
        let tolerance = i64::try_from(tolerance.as_millis()).expect("is short");
        let bound = match self.way {
            Way::Ahead => shifted(server, tolerance),
            Way::Behind | Way::Either => shifted(server, -tolerance),
        };
        let mut text = self.body.clone();
        for (which, time) in [signed, server, bound].into_iter().enumerate() {
            for (layout, write) in LAYOUTS.iter().enumerate() {
                let token = token(which, layout);
                if text.contains(&token) {
                    text = text.replace(&token, &write(time));
                }
            }
        }
        text
    }

    /// The error of every JSON service of AWS, with its tolerance.
    pub(crate) fn of_json_services(way: Way, tolerance: Duration) -> Self {
        let all = Self::all().iter();
        let mut fitting =
            all.filter(|error| error.id.starts_with("sig-") && error.way == way && error.has_time);
        let known = fitting
            .clone()
            .find(|error| error.window == Some(tolerance));
        let known = known.or_else(|| fitting.find(|error| error.window.is_some()));
        let mut error = known.expect("the corpus has it").clone();
        let minutes = |window: Duration| format!("{} min.", window.as_secs() / 60);
        if let Some(window) = error.window.replace(tolerance) {
            error.body = error.body.replace(&minutes(window), &minutes(tolerance));
        }
        error
    }

    /// The error of MinIO: no times.
    pub(crate) fn by_code() -> Self {
        Self::named("s3skew-025")
    }

    /// The response of S3 to a HEAD.
    pub(crate) fn without_body() -> Self {
        Self::named("head")
    }

    fn named(id: &str) -> Self {
        let mut all = Self::all().iter();
        let found = all.find(|error| error.id == id);
        found.expect("there is one").clone()
    }

    /// All errors of the corpus that a service can send to a client, and the 403 without a body for
    /// a HEAD.
    pub(crate) fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<SkewError>> = OnceLock::new();
        ALL.get_or_init(|| {
            let rows = include_str!("../corpus/dev.jsonl").lines();
            let rows = rows.map(|row| serde_json::from_str(row).expect("a row"));
            let mut all: Vec<_> = rows.filter_map(|row| Self::of_row(&row)).collect();
            all.push(Self {
                id: "head".to_owned(),
                status: 403,
                error_type: None,
                body: String::new(),
                way: Way::Either,
                window: None,
                has_time: false,
                has_only_a_bound: false,
            });
            all
        })
    }

    fn of_row(row: &Value) -> Option<Self> {
        let flagged = |flag: &str| {
            let flags = &row["flags"];
            flags
                .as_array()
                .is_some_and(|flags| flags.iter().any(|known| known == flag))
        };
        let code = row["code"].as_str();
        let expect = &row["expect"];
        // EC2 has one message for a wrong time and a wrong key.
        let is_rejection = expect["is_clock_evidence"] == true || code == Some("AuthFailure");
        let status = row["status"].as_u64().unwrap_or(403);
        if !is_rejection || flagged("ambiguous") || flagged("inconsistent") || status < 400 {
            return None;
        }
        let labels =
            ["request_time", "server_time", "bound_time"].map(|label| expect[label].as_str());
        let is_told_apart =
            |one: usize, other: usize| labels[one].is_none() || labels[one] != labels[other];
        if !(is_told_apart(0, 1) && is_told_apart(0, 2) && is_told_apart(1, 2)) {
            return None;
        }
        let mut body = body_of(row)?;
        let mut has_time = false;
        for (which, label) in labels.into_iter().enumerate() {
            let Some(time) = label.and_then(time) else {
                continue;
            };
            for (layout, write) in LAYOUTS.iter().enumerate() {
                let written = write(time);
                if body.contains(&written) {
                    body = body.replace(&written, &token(which, layout));
                    has_time |= which > 0;
                }
            }
        }
        // Its time has none of the layouts.
        if has_time != (labels[1].is_some() || labels[2].is_some()) {
            return None;
        }
        Some(Self {
            id: row["id"].as_str()?.to_owned(),
            status: u16::try_from(status).ok()?,
            error_type: code.filter(|code| !body.contains(code)).map(str::to_owned),
            body,
            way: match expect["direction"].as_str() {
                Some("behind") => Way::Behind,
                Some("ahead") => Way::Ahead,
                _ => Way::Either,
            },
            window: expect["window_seconds"].as_u64().map(Duration::from_secs),
            has_time,
            has_only_a_bound: labels[1].is_none() && labels[2].is_some(),
        })
    }
}

/// The body, or the message in the frame of its service.
fn body_of(row: &Value) -> Option<String> {
    if let Some(body) = row["body"].as_str() {
        return Some(body.to_owned());
    }
    let (message, code) = (row["message"].as_str()?, row["code"].as_str());
    let code = code.unwrap_or("InvalidSignatureException");
    let is_xml = row["protocol"].as_str()?.ends_with("xml");
    Some(if is_xml {
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    } else {
        json!({"__type": code, "message": message}).to_string()
    })
}

/// A character of a private use area, which no service uses.
fn token(which: usize, layout: usize) -> String {
    format!("\u{E000}{which}{layout}\u{E001}")
}

type Layout = fn(SystemTime) -> String;

const LAYOUTS: [Layout; 7] = [
    basic,
    |time| {
        format!(
            "{}.{:03}Z",
            &extended(time)[..19],
            since_epoch(time).subsec_millis()
        )
    },
    extended,
    http_date,
    |time| since_epoch(time).as_millis().to_string(),
    // A server of Amazon that is seven hours behind, in `one-006`.
    |time| extended(shifted(time, -7 * 60 * MINUTE)).replace('Z', "-07:00"),
    // A client in Japan, in `s3skew-002`.
    |time| http_date(shifted(time, 9 * 60 * MINUTE)).replace("GMT", "+0900"),
];

/// `20270115T080000Z`
pub(crate) fn basic(time: SystemTime) -> String {
    extended(time).replace(['-', ':'], "")
}

/// The time of an `x-amz-date`.
pub(crate) fn stamp(text: &str) -> Option<SystemTime> {
    let (date, hours) = (text.get(..8)?, text.get(9..15)?);
    let in_two = |digits: &str, by: &str| -> String {
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| String::from_utf8_lossy(pair))
            .collect();
        pairs.join(by)
    };
    let (year, day) = date.split_at(4);
    time(&format!(
        "{year}-{}T{}Z",
        in_two(day, "-"),
        in_two(hours, ":")
    ))
}

/// `2027-01-15T08:00:00Z`
pub(crate) fn extended(time: SystemTime) -> String {
    in_layout(time, Format::DateTime)
}

/// `Fri, 15 Jan 2027 08:00:00 GMT`
pub(crate) fn http_date(time: SystemTime) -> String {
    in_layout(time, Format::HttpDate)
}

/// Cut to the second, as servers do.
fn in_layout(time: SystemTime, format: Format) -> String {
    let seconds = i64::try_from(since_epoch(time).as_secs()).expect("within a lifetime");
    let text = DateTime::from_secs(seconds).fmt(format);
    text.expect("a year of four digits")
}

fn since_epoch(time: SystemTime) -> Duration {
    // The SDK's own correction follows any `Date`, also to before 1970.
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The layout of the labels.
fn time(label: &str) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_str(label, Format::DateTime).ok()?).ok()
}
