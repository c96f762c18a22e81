//! [`SkewClock::diagnose_response`]: what was wrong with a response.

use http::Response;

use super::request::view;
use crate::clock::SkewClock;
use crate::diagnosis::Diagnosis;

impl SkewClock {
    /// Says what was wrong with a call from its response, whose body was read.
    /// Learns nothing. Ask soon, as with [`diagnose`](Self::diagnose).
    pub fn diagnose_response<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Diagnosis {
        self.diagnose(&view(response, response.body().as_ref()))
    }
}
