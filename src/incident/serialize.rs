//! Incidents for those who answer in JSON; see [`Fields`] for the names.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Fields, Incident};

impl Serialize for Incident {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = Fields::of(self.facts());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("incident", self.name())?;
        if let Some((name, value)) = self.detail() {
            map.serialize_entry(name, value)?;
        }
        let numbers = [
            ("offset_ms", fields.offset_ms),
            ("previous_offset_ms", fields.previous_offset_ms),
        ];
        let durations = [
            ("uncertainty_ms", fields.uncertainty_ms),
            ("age_ms", fields.age_ms),
        ];
        let texts = [
            ("source", fields.source),
            ("signed_at", fields.signed_at.as_deref()),
            ("server_time", fields.server_time.as_deref()),
            ("service", fields.service),
            ("operation", fields.operation),
            ("host", fields.host),
            ("other_host", fields.other_host),
            ("request_id", fields.request_id),
            ("error_code", fields.error_code),
        ];
        entries(&mut map, numbers)?;
        entries(&mut map, durations)?;
        entries(&mut map, texts)?;
        map.end()
    }
}

/// Leaves out what is not known.
fn entries<M: SerializeMap, T: Serialize, const N: usize>(
    map: &mut M,
    entries: [(&'static str, Option<T>); N],
) -> Result<(), M::Error> {
    for (name, value) in entries {
        if let Some(value) = value {
            map.serialize_entry(name, &value)?;
        }
    }
    Ok(())
}
