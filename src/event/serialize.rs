//! Events in JSON, with the field names of the log.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{SkewEvent, each_detail};

macro_rules! entries {
    (($map:ident, $details:ident)
     $($(#[$doc:meta])* $field:ident: $type:ty => $($name:literal: $form:path),+;)*) => {
        $($(entry(&mut $map, $name, $details.$field.as_ref().map($form))?;)+)*
    };
}

impl Serialize for SkewEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, details) = (self.kind(), self.details());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event", kind.name())?;
        entry(&mut map, "reason", kind.reason())?;
        entry(&mut map, "cause", kind.cause())?;
        entry(&mut map, "missing", kind.missing())?;
        each_detail!(entries!(map, details));
        map.end()
    }
}

/// Leaves out what is not known.
fn entry<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(name, &value),
        None => Ok(()),
    }
}
