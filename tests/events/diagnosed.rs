//! Diagnoses of calls that failed, including the outcome of the correction.

use std::time::Duration;

use aws_clock_skew::diagnosis::Cause;
use aws_clock_skew::evidence::{OtherCause, ResponseView};
use aws_clock_skew::{ClockOffset, Diagnosis, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_runtime_api::client::result::ConnectorError;
use tower::{ServiceBuilder, ServiceExt};

use crate::integrations::{Integration, Site};
use crate::scenarios::{SECRET, call, credentials, observing, site};
use crate::wire::{Answer, Fate, Manner};
use crate::world::{DAY, MINUTE, World, minutes, shifted};

const SDK_INTEGRATIONS: [Integration; 2] = [Integration::Interceptor, Integration::HttpClient];

const LIMIT: &str = "nothing was corrected, because the server's time is too far ahead";
const OBSERVED: &str = "nothing was corrected, because the clock only observes";
const REJECTED_AGAIN: &str = "it was re-signed and rejected again";

/// The outcome is the end of the diagnosis.
#[track_caller]
fn ends(diagnosis: Diagnosis, outcome: &str) {
    let said = diagnosis.to_string();
    let (_, last) = said.rsplit_once("; ").unwrap_or_default();
    assert_eq!(last, outcome, "{said}");
}

/// Makes a call that fails, and returns its diagnosis.
async fn diagnosed(integration: Integration, site: &Site) -> Diagnosis {
    let sqs = integration.sqs(site, SharedCredentialsProvider::new(credentials(SECRET)));
    let received = sqs.receive_message().queue_url(site.queue()).send().await;
    site.clock
        .diagnose_error(&received.expect_err("the call fails"))
}

/// The measured offset is correct to half a second.
#[track_caller]
fn is_clock(diagnosis: Diagnosis, seconds: i64) {
    let Cause::Clock(Some(offset)) = diagnosis.cause() else {
        panic!("{diagnosis}");
    };
    let distance = (offset.as_millis() - seconds * 1_000).abs();
    assert!(distance <= 1_000, "{diagnosis}");
    assert!(diagnosis.advice().contains("chronyc makestep"));
}

#[tokio::test]
async fn a_wrong_clock_is_named_where_nothing_corrects_it() {
    for integration in SDK_INTEGRATIONS {
        for (skew, text) in [
            (
                -2 * DAY,
                "the local clock is 2 days behind; nothing was corrected",
            ),
            (
                20 * MINUTE,
                "the local clock is 20 min ahead; nothing was corrected",
            ),
        ] {
            for manner in [
                Manner::InMessage,
                Manner::InFields,
                Manner::ByCode,
                Manner::Silently,
            ] {
                let site = observing(site(skew, manner));
                for _ in 0..3 {
                    let diagnosis = diagnosed(integration, &site).await;
                    is_clock(diagnosis, -skew);
                    ends(diagnosis, OBSERVED);
                    assert!(diagnosis.to_string().starts_with(text), "{diagnosis}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_client_without_the_crate_is_diagnosed_as_well() {
    let site = site(-2 * DAY, Manner::InFields);
    let config = site.config(SharedCredentialsProvider::new(credentials(SECRET)));
    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::config::Builder::from(&config)
            .time_source(site.world.clone())
            .build(),
    );
    let received = sqs.receive_message().queue_url(site.queue()).send().await;
    let diagnosis = site
        .clock
        .diagnose_error(&received.expect_err("the call fails"));
    is_clock(diagnosis, 2 * DAY);
    ends(diagnosis, "nothing was corrected");
}

#[tokio::test]
async fn a_date_is_enough_if_the_error_states_nothing_else() {
    for integration in SDK_INTEGRATIONS {
        // Beyond the limit for a `Date`, so the clock corrects nothing.
        let site = site(-8 * DAY, Manner::Silently);
        site.world.advance_a_century();
        let diagnosis = diagnosed(integration, &site).await;
        is_clock(diagnosis, 8 * DAY);
        ends(diagnosis, LIMIT);
    }
}

#[tokio::test]
async fn a_signature_that_expired_in_transit_twice_is_told_apart_from_a_wrong_clock() {
    for integration in SDK_INTEGRATIONS {
        for skew in [0, -2 * DAY] {
            let site = site(0, Manner::InMessage);
            site.world.set_skew(skew);
            if skew != 0 {
                assert_eq!(call(integration, &site).await, Ok(()));
            }
            let frozen = || Fate {
                before: minutes(20),
                ..Fate::default()
            };
            site.line.wire.plan([frozen(), frozen()]);
            let diagnosis = diagnosed(integration, &site).await;
            let Cause::ExpiredInTransit(Some(age)) = diagnosis.cause() else {
                panic!("{integration:?} {skew}: {diagnosis}");
            };
            assert!(
                age.abs_diff(minutes(20)) <= Duration::from_secs(1),
                "{age:?}"
            );
            assert_eq!(
                diagnosis.to_string(),
                "the signature was 20 min old on arrival; the local clock is correct; \
                 it was re-signed and rejected again"
            );
            assert!(diagnosis.advice().contains("multipart"));
        }
    }
}

#[tokio::test]
async fn a_request_that_could_not_be_re_signed_says_why() {
    let site = site(-20 * MINUTE, Manner::InMessage);
    let config = site.config(SharedCredentialsProvider::new(credentials(SECRET)));
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_clock_skew::install!(
            aws_sdk_s3::config::Builder::from(&config).force_path_style(true),
            &site.clock
        )
        .build(),
    );
    let put = s3.put_object().bucket("b").key("k").content_length(4);
    let error = put.body(crate::scenarios::stream()).send().await;
    let diagnosis = site.clock.diagnose_error(&error.expect_err("is a stream"));
    is_clock(diagnosis, 20 * MINUTE);
    assert_eq!(
        diagnosis.to_string(),
        "the local clock is 20 min 1 s behind; it could not be re-signed (body)"
    );
    // The next request is signed with the corrected time.
    assert_eq!(call(Integration::Interceptor, &site).await, Ok(()));
}

#[tokio::test]
async fn a_time_beyond_the_limit_is_diagnosed_as_such() {
    for integration in SDK_INTEGRATIONS {
        let site = site(-500 * DAY, Manner::InMessage);
        site.world.advance_a_century();
        let diagnosis = diagnosed(integration, &site).await;
        is_clock(diagnosis, 500 * DAY);
        ends(diagnosis, LIMIT);
    }
}

#[tokio::test]
async fn a_wrong_key_is_reported_on_any_clock() {
    for integration in SDK_INTEGRATIONS {
        for skew in [0, -2 * DAY] {
            let site = site(skew, Manner::InMessage);
            let wrong_key = Answer::new(
                403,
                r#"{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match the signature you provided."}"#,
            );
            let before = usize::from(skew != 0);
            let fates = (0..before).map(|_| Fate::default());
            site.line.wire.plan(fates.chain([wrong_key.into()]));
            let diagnosis = diagnosed(integration, &site).await;
            assert_eq!(diagnosis.cause(), Cause::Other(OtherCause::WrongKey));
            assert_eq!(
                diagnosis.to_string(),
                "the secret key is wrong, or the request was changed in transit"
            );
        }
    }
}

#[tokio::test]
async fn no_response_is_no_diagnosis_except_for_the_dates_of_a_certificate() {
    let not_yet = rustls::CertificateError::NotValidYetContext {
        time: rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(1_000)),
        not_before: rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(2_000)),
    };
    let unknown = rustls::CertificateError::UnknownIssuer;
    for (error, expected) in [
        (
            Box::<dyn std::error::Error + Send + Sync>::from(rustls::Error::from(not_yet)),
            Cause::Certificate,
        ),
        (
            rustls::Error::from(rustls::CertificateError::Expired).into(),
            Cause::Certificate,
        ),
        (rustls::Error::from(unknown).into(), Cause::Unknown),
        ("connection refused".into(), Cause::Unknown),
    ] {
        let words = error.to_string();
        let error = aws_sdk_sqs::error::SdkError::<std::io::Error, _>::dispatch_failure(
            ConnectorError::io(error),
        );
        let diagnosis = SkewClock::new().diagnose_error(&error);
        assert_eq!(diagnosis.cause(), expected, "{words}");
    }
}

#[tokio::test]
async fn a_response_of_a_tower_stack_is_diagnosed() {
    let site = observing(site(-2 * DAY, Manner::InMessage));
    let stack = ServiceBuilder::new()
        .layer(
            site.clock
                .signing_layer(credentials(SECRET), "us-east-1", "sqs"),
        )
        .service_fn(site.line.serve());
    let response = stack.oneshot(site.request()).await.expect("is answered");
    let (parts, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body)
        .await
        .expect("is whole");
    let response = http::Response::from_parts(parts, body.to_bytes());
    let diagnosis = site.clock.diagnose_response(&(&response).into());
    is_clock(diagnosis, 2 * DAY);
    ends(diagnosis, OBSERVED);
}

#[tokio::test]
async fn a_clock_that_was_repaired_meanwhile_is_not_named_as_the_cause() {
    let world = World::with_skew(9 * 3_600);
    let true_time = world.true_time();
    world.set_skew(0);
    let clock = world.skew_clock();
    let signed = shifted(true_time, 9 * 3_600);
    let stamp = |time| {
        let date = aws_smithy_types::DateTime::from(time);
        let text = date.fmt(aws_smithy_types::date_time::Format::DateTime);
        text.expect("a year of four digits").replace(['-', ':'], "")
    };
    let body = format!(
        "Signature not yet current: {} is still later than {} ({} + 5 min.)",
        stamp(signed),
        stamp(shifted(true_time, 300)),
        stamp(true_time)
    );
    let view = ResponseView::new(403, body.as_bytes());
    let diagnosis = clock.diagnose_response(&view);
    let ahead = ClockOffset::from_millis(-9 * 3_600_000);
    assert_eq!(diagnosis.cause(), Cause::AnotherClock(Some(ahead)));
    assert_eq!(
        diagnosis.to_string(),
        "the signature was made by a clock that was 9 h ahead; the local clock is correct; \
         nothing was corrected"
    );
}

/// The diagnosis of a call for which STS has rejected the request for a role. SQS receives no
/// request.
async fn without_a_role(skew: i64, secret: &str) -> Diagnosis {
    let world = World::with_skew(skew);
    // Without a `Date` the SDK's own correction does nothing, in the provider's client too.
    let endpoint = Endpoint::builder(world.clock()).send_date(false);
    let endpoint = endpoint.start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    let profiles = format!(
        "[profile app]\n\
         region = us-east-1\n\
         endpoint_url = {}\n\
         role_arn = arn:aws:iam::123456789012:role/app\n\
         source_profile = base\n\
         [profile base]\n\
         aws_access_key_id = {ACCESS_KEY_ID}\n\
         aws_secret_access_key = {secret}\n",
        endpoint.url()
    );
    let profiles = EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, profiles)
        .build();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .profile_files(profiles)
        .profile_name("app")
        .time_source(world.clone())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let received = sqs.receive_message().queue_url(endpoint.queue_url("q"));
    let error = received.send().await.expect_err("it has no credentials");
    assert!(error.raw_response().is_none(), "SQS was not asked");
    world.skew_clock().diagnose_error(&error)
}

#[tokio::test]
async fn a_role_that_could_not_be_assumed_is_diagnosed_as_well() {
    is_clock(without_a_role(-2 * DAY, SECRET_ACCESS_KEY).await, 2 * DAY);
    let wrong = format!("X{}", &SECRET_ACCESS_KEY[1..]);
    let diagnosis = without_a_role(0, &wrong).await;
    assert_eq!(diagnosis.cause(), Cause::Other(OtherCause::WrongKey));
}

#[tokio::test]
async fn a_diagnosis_does_not_mention_what_happened_to_another_request() {
    let site = crate::scenarios::trigger("resend_rejected", Integration::HttpClient).await;
    let body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>";
    for (request_id, expected) in [
        ("id-2", REJECTED_AGAIN),
        ("id-77", "later signatures are corrected"),
        ("", "later signatures are corrected"),
    ] {
        let view = ResponseView::new(403, body).with_request_id(request_id);
        let diagnosis = site.clock.diagnose_response(&view);
        ends(diagnosis, expected);
    }
}
