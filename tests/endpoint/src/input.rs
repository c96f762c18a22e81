//! The body of a JSON request.

use crate::answer::Failure;
use serde_json::Value;

/// The members of a JSON body.
#[derive(Debug)]
pub(crate) struct Input(Value);

impl Input {
    /// Parses a body. An empty one has no members.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self(Value::Null));
        }
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| Failure::bad_request("SerializationException", error.to_string()))
    }

    /// Returns a required text.
    pub(crate) fn text(&self, member: &str) -> Result<&str, Failure> {
        self.optional_text(member).ok_or_else(|| {
            Failure::bad_request("ValidationException", format!("{member} is missing"))
        })
    }

    /// Returns an optional text.
    pub(crate) fn optional_text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// Returns an optional number, which may also be written as a text.
    pub(crate) fn number(&self, member: &str) -> Option<u64> {
        let value = self.0.get(member)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Returns a member that has members. Without it, the result has none.
    pub(crate) fn nested(&self, member: &str) -> Self {
        Self(self.0.get(member).cloned().unwrap_or_default())
    }

    /// Returns the entries of a batch.
    pub(crate) fn entries(&self) -> Vec<Self> {
        let entries = self.0.get("Entries").and_then(Value::as_array);
        entries.into_iter().flatten().cloned().map(Self).collect()
    }
}
