//! What an operator sees: the events that were logged, field by field.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Logged {
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }
}

/// Everything our targets say on this thread while the guard lives.
pub(crate) struct Log {
    events: Arc<Mutex<Vec<Logged>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn start() -> Self {
        heed_everywhere();
        let events = Arc::<Mutex<Vec<Logged>>>::default();
        let subscriber = tracing_subscriber::registry()
            .with(ours())
            .with(Capture(events.clone()));
        Self {
            events,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The log events, metrics aside.
    pub(crate) fn incidents(&self) -> Vec<Logged> {
        self.of_target("aws_clock_skew")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let name = |event: Logged| event.get("incident").unwrap_or("?").to_owned();
        self.incidents().into_iter().map(name).collect()
    }

    pub(crate) fn metrics(&self) -> Vec<Logged> {
        self.of_target("aws_clock_skew::metrics")
    }

    /// How often a counter was counted up with this value of this field.
    pub(crate) fn counted(&self, counter: &str, field: &str, value: &str) -> usize {
        let name = format!("monotonic_counter.aws_clock_skew.{counter}");
        self.metrics()
            .iter()
            .filter(|event| event.get(&name).is_some() && event.get(field) == Some(value))
            .count()
    }

    fn of_target(&self, target: &str) -> Vec<Logged> {
        let events = self.events.lock().expect("nobody panics with it");
        events
            .iter()
            .filter(|event| event.target == target)
            .cloned()
            .collect()
    }
}

/// While there is but one subscriber, `tracing` asks the thread that is the first
/// to emit an event whether anybody ever wants it; a test that listens to nothing
/// would answer for one on another thread that does.
fn heed_everywhere() {
    static HEEDED: Once = Once::new();
    HEEDED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(ours());
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    });
}

fn ours() -> Targets {
    Targets::new().with_target("aws_clock_skew", Level::TRACE)
}

struct Capture(Arc<Mutex<Vec<Logged>>>);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("aws_clock_skew") {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().expect("nobody panics with it").push(Logged {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            fields: fields.0,
        });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
