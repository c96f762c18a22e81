//! The requests as the server saw them, for assertions.

use crate::{lock::lock, request::RequestInfo};
use std::{collections::VecDeque, sync::Mutex};

/// The number of requests, and their outcomes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Received completely, verified or not.
    pub requests: u64,
    /// Verified: the time, the credentials and the signature are correct.
    ///
    /// A long poll counts when it starts. A denied operation counts too.
    pub accepted: u64,
    /// Not verified, for any reason.
    pub rejected: u64,
    /// Not verified because of the time of the signature. Also in `rejected`.
    pub rejected_for_time: u64,
}

/// One request after its verification.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The claims of the request.
    pub request: RequestInfo,
    /// The verdict of the endpoint.
    pub verdict: Verdict,
}

impl RequestRecord {
    pub(crate) const fn new(request: RequestInfo, verdict: Verdict) -> Self {
        Self { request, verdict }
    }

    /// Returns whether the request was not verified; see [`Verdict::is_rejection`].
    pub const fn rejected(&self) -> bool {
        self.verdict.is_rejection()
    }
}

/// The outcome of a request's verification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Verified, and performed.
    Accepted,
    /// Verified, and denied: no one may perform the operation.
    Denied,
    /// The signature is too old or not yet current.
    RejectedForTime,
    /// The signature or its credential scope is wrong.
    SignatureMismatch,
    /// The access key is unknown, or its session token differs.
    UnknownCredentials,
    /// The session credentials have expired.
    ExpiredCredentials,
    /// There is no signature.
    MissingAuthentication,
    /// The header is there and is no signature.
    MalformedAuthentication,
}

impl Verdict {
    /// Returns whether the time, the credentials or the signature were wrong. A denied operation
    /// was signed correctly, so it is no rejection.
    pub const fn is_rejection(self) -> bool {
        !matches!(self, Self::Accepted | Self::Denied)
    }
}

/// The counts and the most recent records.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<(Counts, VecDeque<RequestRecord>)>,
}

impl Ledger {
    pub(crate) fn arrived(&self) {
        lock(&self.entries).0.requests += 1;
    }

    pub(crate) fn judged(&self, record: RequestRecord) {
        let (counts, records) = &mut *lock(&self.entries);
        if record.rejected() {
            counts.rejected += 1;
        } else {
            counts.accepted += 1;
        }
        if record.verdict == Verdict::RejectedForTime {
            counts.rejected_for_time += 1;
        }
        if records.len() == RECORDS {
            records.pop_front();
        }
        records.push_back(record);
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.entries).0
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        lock(&self.entries).1.iter().cloned().collect()
    }
}

/// More than any test sends, and few enough for an example that runs for days.
const RECORDS: usize = 100_000;
