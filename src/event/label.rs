//! [`Label`]: a name from outside that is safe to log.

use std::fmt;

use crate::evidence::visible;

/// A name from outside, cut to 64 visible ASCII characters.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Label(Box<str>);

impl Label {
    /// Returns the visible characters of `text`, or `None` if there are none.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let visible = visible(text);
        (!visible.is_empty()).then(|| Self(visible.into_boxed_str()))
    }

    /// Returns the name of a service in lower case, because the SDK and signatures use
    /// different cases.
    pub(crate) fn of_service(name: &str) -> Option<Self> {
        Self::new(name).map(|mut label| {
            label.0.make_ascii_lowercase();
            label
        })
    }

    /// Returns the default name of a clock.
    pub(crate) fn unnamed_clock() -> Self {
        Self("default".into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cut_to_64_visible_ascii_characters() {
        let hostile = format!("a\u{1b}[31m\r\nb é{}", "x".repeat(200));
        let label = Label::new(&hostile).unwrap();
        assert!(label.as_str().starts_with("a[31mbx"));
        assert_eq!(label.as_str().len(), 64);
        assert_eq!(Label::new("\u{7f}\n "), None);
    }
}
