//! Captures everything that the crate's targets emit, with the types of the fields.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
    Other(String),
}

impl Value {
    /// The word for its type in the reference table.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::I64(_) => "i64",
            Self::U64(_) => "u64",
            Self::F64(_) => "f64",
            Self::Text(_) => "text",
            Self::Other(_) => "?",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I64(number) => write!(f, "{number}"),
            Self::U64(number) => write!(f, "{number}"),
            Self::F64(number) => write!(f, "{number}"),
            Self::Text(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Emitted {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) message: Option<String>,
    pub(crate) fields: BTreeMap<String, Value>,
}

impl Emitted {
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        match self.fields.get(field) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Captures what this thread emits while it lives.
pub(crate) struct Capture {
    emitted: Arc<Mutex<Vec<Emitted>>>,
    _guard: DefaultGuard,
}

impl Capture {
    pub(crate) fn start() -> Self {
        install_global_subscriber();
        let emitted = Arc::<Mutex<Vec<Emitted>>>::default();
        let subscriber = tracing_subscriber::registry()
            .with(ours())
            .with(CaptureLayer(emitted.clone()));
        Self {
            emitted,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The events in the log, without the lines about the first request of an integration.
    pub(crate) fn log(&self) -> Vec<Emitted> {
        let mut log = self.of_target("aws_clock_skew");
        log.retain(|event| event.text("event") != Some("installed"));
        log
    }

    /// The lines about the first request of an integration.
    pub(crate) fn installed(&self) -> Vec<Emitted> {
        let mut log = self.of_target("aws_clock_skew");
        log.retain(|event| event.text("event") == Some("installed"));
        log
    }

    pub(crate) fn metrics(&self) -> Vec<Emitted> {
        self.of_target("aws_clock_skew::metrics")
    }

    /// The metrics, without the zeros with which the counters of a clock start.
    pub(crate) fn increments(&self) -> Vec<Emitted> {
        let is_zero = |event: &Emitted| event.fields.values().any(|value| *value == Value::U64(0));
        let metrics = self.metrics().into_iter();
        metrics.filter(|event| !is_zero(event)).collect()
    }

    /// The names of the events in the log.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |event: Emitted| event.text("event").unwrap_or("?").to_owned();
        self.log().into_iter().map(name).collect()
    }

    fn of_target(&self, target: &str) -> Vec<Emitted> {
        let emitted = self.emitted.lock().expect("is not poisoned");
        let of_target = emitted.iter().filter(|event| event.target == target);
        of_target.cloned().collect()
    }
}

/// While there is only one subscriber, `tracing` asks the thread that first emits an event whether
/// any subscriber ever wants it.
pub(crate) fn install_global_subscriber() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(ours());
        tracing::subscriber::set_global_default(subscriber).expect("no other is set");
    });
}

fn ours() -> Targets {
    Targets::new().with_target("aws_clock_skew", Level::TRACE)
}

struct CaptureLayer(Arc<Mutex<Vec<Emitted>>>);

impl<S: Subscriber> Layer<S> for CaptureLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::Other(text) | Value::Text(text)) => Some(text),
            _ => None,
        };
        self.0.lock().expect("is not poisoned").push(Emitted {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message,
            fields: fields.0,
        });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::U64(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, Value::F64(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, Value::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, Value::Other(format!("{value:?}")));
    }
}
