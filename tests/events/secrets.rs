//! No event and no `Debug` output contains a secret.

use std::fmt::Write as _;

use aws_clock_skew::evidence::{Evidence, ResponseView};
use aws_smithy_types::base64;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use crate::capture::install_global_subscriber;
use crate::output::Output;
use crate::scenarios::{KINDS, OTHER_SECRET, SECRET, SESSION_TOKEN, credentials, trigger};

/// Captures everything that the crate's targets emit at TRACE, in all formats.
fn written_while(output: &Output) -> tracing::subscriber::DefaultGuard {
    let subscriber = tracing_subscriber::registry()
        .with(
            Targets::new()
                .with_target("aws_clock_skew", Level::TRACE)
                .with_target("aws_clock_skew::metrics", Level::TRACE),
        )
        .with(fmt::layer().with_writer(output.clone()).with_ansi(false))
        .with(fmt::layer().with_writer(output.clone()).json())
        .with(fmt::layer().with_writer(output.clone()).pretty());
    tracing::subscriber::set_default(subscriber)
}

/// The forms in which a secret may appear: as it is, in hexadecimal, and in base64 at each
/// alignment.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        format!("{:?}", secret.as_bytes()),
        secret.escape_default().to_string(),
        secret
            .replace('/', "%2F")
            .replace('+', "%2B")
            .replace('=', "%3D"),
    ];
    for before in 0..3 {
        let padded = ["x".repeat(before).as_bytes(), secret.as_bytes()].concat();
        let encoded = base64::encode(padded);
        // Without the characters that also depend on neighbouring bytes.
        let inner = &encoded[4..encoded.len() - 4];
        forms.push(inner.to_owned());
        forms.push(inner.replace('+', "-").replace('/', "_"));
    }
    forms
}

#[track_caller]
fn holds_none_of(output: &str, secrets: &[String]) {
    for secret in secrets {
        for form in forms(secret) {
            assert!(!output.contains(&form), "{form} of {secret} in:\n{output}");
        }
    }
}

#[tokio::test]
async fn no_event_and_no_debug_output_holds_a_secret_or_a_signature() {
    install_global_subscriber();
    let mut events = 0;
    for (kind, integrations) in KINDS {
        for integration in integrations {
            let output = Output::default();
            let site = {
                let _guard = written_while(&output);
                trigger(kind, *integration).await
            };
            let mut text = output.text();
            assert!(text.contains(kind), "{kind} {integration:?}: {text}");
            events += text.lines().count();
            let clock = &site.clock;
            let debug = write!(
                text,
                "{clock:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                clock.status(),
                clock.subscribe(),
                clock.interceptor(),
                clock.retry_classifier(),
                clock.identity_cache(),
                clock.wrap_http_client(site.line.clone()),
                clock.layer(credentials(SECRET)),
                clock.signing_layer(credentials(SECRET), "us-east-1", "sqs"),
                clock
                    .status()
                    .last_event()
                    .map(|event| serde_json::to_string(event).ok()),
            );
            debug.expect("a string takes everything");
            let signatures = site.line.signatures();
            assert!(!signatures.is_empty(), "{kind} {integration:?}");
            holds_none_of(&text, &signatures);
            holds_none_of(
                &text,
                &[SECRET, OTHER_SECRET, SESSION_TOKEN].map(str::to_owned),
            );
        }
    }
    assert!(events > 200, "{events}");
}

#[test]
fn a_body_that_echoes_a_secret_is_not_repeated() {
    install_global_subscriber();
    // S3 returns the canonical request with an error for a wrong signature.
    let body = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated \
        does not match.</Message><CanonicalRequest>x-amz-security-token:{SESSION_TOKEN}\
        </CanonicalRequest></Error>"
    );
    let view = ResponseView::new(403, body.as_bytes()).with_error_code("SignatureDoesNotMatch");
    let skew = aws_clock_skew::SkewClock::new();
    let diagnosis = skew.diagnose_response(&view);
    let text = format!(
        "{view:?} {:?} {diagnosis:?} {diagnosis} {}",
        Evidence::read(&view),
        diagnosis.advice()
    );
    holds_none_of(&text, &[SESSION_TOKEN.to_owned()]);
}

#[test]
fn the_search_finds_a_secret_in_each_form() {
    install_global_subscriber();
    for leak in forms(SECRET) {
        let output = Output::default();
        {
            let _guard = written_while(&output);
            tracing::trace!(target: "aws_clock_skew", leak);
        }
        let found = forms(SECRET)
            .iter()
            .any(|form| output.text().contains(form));
        assert!(found, "{leak}: {}", output.text());
    }
}
