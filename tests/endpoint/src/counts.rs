//! What the server itself saw, for tests to assert.

use crate::{lock::lock, request::RequestInfo};
use std::{collections::VecDeque, sync::Mutex};

/// How many requests came, and what became of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Received whole, whether or not they have been judged yet.
    pub requests: u64,
    /// Verified: time, credentials and signature were right.
    ///
    /// A long poll is counted when it begins, a denied operation too.
    pub accepted: u64,
    /// Not verified, for whatever reason.
    pub rejected: u64,
    /// Not verified because of the time of the signature; in `rejected` too.
    pub rejected_for_time: u64,
}

/// One judged request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// What the request said of itself.
    pub request: RequestInfo,
    /// What the endpoint made of it.
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
    /// Verified, but the operation is denied to everyone.
    Denied,
    /// The signature is too old or not yet current.
    RejectedForTime,
    /// The signature is wrong, or its credential scope.
    SignatureMismatch,
    /// The access key is unknown, or its session token is another one.
    UnknownCredentials,
    /// The session credentials have expired.
    ExpiredCredentials,
    /// There is no signature.
    MissingAuthentication,
    /// There is something in place of a signature.
    MalformedAuthentication,
}

impl Verdict {
    /// Returns whether time, credentials or signature were wrong; a denied
    /// operation was correctly signed, so that it is none.
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

/// More than any test sends, little enough for an example that runs for days.
const RECORDS: usize = 100_000;
