//! One scenario for each kind of event.

use aws_clock_skew::SkewClock;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use http_body_util::StreamBody;

use crate::integrations::{Integration, Line, Site};
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

pub(crate) const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const OTHER: &str = "https://queues.example";

pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const OTHER_SECRET: &str = "OtherSecretThatNobodyMayEverSee/0123456+";
pub(crate) const SESSION_TOKEN: &str = "FwoGZXIvYXdzEXAMPLE//session+token/that=is=secret==";

/// The kinds of events, as the reference names them, and the integrations that can emit them.
pub(crate) const KINDS: [(&str, &[Integration]); 10] = [
    ("skew_detected", &Integration::ALL),
    ("expired_in_transit", &Integration::ALL),
    ("correction_cleared", &Integration::ALL),
    // The other integrations try a `Date` on the request itself before it becomes a correction.
    ("trial_rejected", &Integration::ALL),
    ("hosts_disagree", &Integration::ALL),
    (
        "resend_skipped",
        &[
            Integration::Interceptor,
            Integration::HttpClient,
            Integration::BelowASigner,
        ],
    ),
    ("resend_rejected", &Integration::ALL),
    ("offset_limit_exceeded", &Integration::ALL),
    ("not_clock_skew", &Integration::ALL),
    ("incomplete_installation", &[Integration::Interceptor]),
];

pub(crate) fn credentials(secret: &str) -> Credentials {
    let token = Some(SESSION_TOKEN.to_owned());
    Credentials::new(ACCESS_KEY_ID, secret, token, None, "test")
}

/// A machine that is ahead by `skew` seconds, and AWS.
pub(crate) fn site(skew: i64, manner: Manner) -> Site {
    let world = World::with_skew(skew);
    Site {
        clock: world.skew_clock(),
        url: AWS,
        line: Line::new(Wire::with_manner(&world, minutes(5), manner)),
        world,
    }
}

/// The same machine with an observe-only clock.
pub(crate) fn observing(site: Site) -> Site {
    let clock = SkewClock::builder()
        .local_clock(site.world.machine.clone())
        .observe_only(true)
        .build();
    Site { clock, ..site }
}

/// Makes a call with the correct credentials.
pub(crate) async fn call(integration: Integration, site: &Site) -> Result<(), String> {
    integration
        .call(site, credentials(SECRET), credentials(SECRET))
        .await
}

/// Makes an event of this kind happen, and returns its site.
pub(crate) async fn trigger(kind: &str, integration: Integration) -> Site {
    match kind {
        "skew_detected" => {
            let site = site(-2 * DAY, Manner::InMessage);
            assert_eq!(call(integration, &site).await, Ok(()));
            site
        }
        "expired_in_transit" => {
            let site = site(0, Manner::InMessage);
            site.line.wire.plan([Fate {
                before: minutes(20),
                ..Fate::default()
            }]);
            assert_eq!(call(integration, &site).await, Ok(()));
            site
        }
        "correction_cleared" => {
            let site = site(-20 * MINUTE, Manner::InMessage);
            assert_eq!(call(integration, &site).await, Ok(()));
            site.world.set_skew(0);
            assert_eq!(call(integration, &site).await, Ok(()));
            site
        }
        "trial_rejected" => {
            let site = site(0, Manner::Silently);
            let misdated = || Answer {
                body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".into(),
                ..Answer::empty_403(shifted(site.world.true_time(), 20 * MINUTE))
            };
            site.line.wire.plan([misdated().into(), misdated().into()]);
            assert!(call(integration, &site).await.is_err());
            site
        }
        "hosts_disagree" => hosts_disagree(integration).await,
        "resend_skipped" => not_resigned(integration).await,
        "resend_rejected" => {
            let site = site(-20 * MINUTE, Manner::InMessage);
            // 2027-01-16T08:00:00Z is the true time.
            let again = "Signature expired: 20270116T080000Z is now earlier than \
                20270116T103000Z (20270116T104500Z - 15 min.)";
            let again = Answer::new(403, format!(r#"{{"message":"{again}"}}"#));
            let again = again.with("x-amzn-requestid", "id-2");
            site.line.wire.plan([Fate::default(), again.into()]);
            assert!(call(integration, &site).await.is_err());
            site
        }
        "offset_limit_exceeded" => {
            let site = site(-500 * DAY, Manner::InMessage);
            site.world.advance_a_century();
            assert!(call(integration, &site).await.is_err());
            site
        }
        "not_clock_skew" => {
            let site = site(0, Manner::InMessage);
            let wrong_key = "The request signature we calculated does not match the signature \
                you provided.";
            let wrong_key = Answer::new(
                403,
                format!(r#"{{"__type":"InvalidSignatureException","message":"{wrong_key}"}}"#),
            );
            let wrong_key = wrong_key.with("x-amzn-requestid", "id-1");
            site.line.wire.plan([wrong_key.into()]);
            assert!(call(integration, &site).await.is_err());
            site
        }
        "incomplete_installation" => {
            let site = site(0, Manner::InMessage);
            let provider = SharedCredentialsProvider::new(credentials(SECRET));
            let config = site.config(provider);
            let sqs = aws_sdk_sqs::Client::from_conf(
                aws_sdk_sqs::config::Builder::from(&config)
                    .interceptor(site.clock.interceptor())
                    .build(),
            );
            let _by_the_real_time = sqs.receive_message().queue_url(site.queue()).send().await;
            site
        }
        _ => panic!("no scenario of {kind}"),
    }
}

/// AWS confirms the clock, and another server states a time one hour ahead.
async fn hosts_disagree(integration: Integration) -> Site {
    let aws = site(0, Manner::InMessage);
    assert_eq!(call(integration, &aws).await, Ok(()));
    let other = Site {
        url: OTHER,
        line: Line::new(Wire::new(&aws.world, minutes(5))),
        ..aws
    };
    other.line.wire.set_ahead(HOUR);
    let _by_the_sdk_itself_in_one_integration = call(integration, &other).await;
    other
}

/// A request cannot be re-signed with another secret, and a stream cannot be sent again.
async fn not_resigned(integration: Integration) -> Site {
    let site = site(-20 * MINUTE, Manner::InMessage);
    if integration == Integration::Interceptor {
        let config = site.config(SharedCredentialsProvider::new(credentials(SECRET)));
        put_a_stream(&config, &site.clock).await;
        return site;
    }
    let changing = Changing::default();
    let outcome = integration
        .call(&site, changing, credentials(OTHER_SECRET))
        .await;
    assert!(outcome.is_err());
    site
}

async fn put_a_stream(config: &aws_config::SdkConfig, clock: &SkewClock) {
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_clock_skew::install!(
            aws_sdk_s3::config::Builder::from(config).force_path_style(true),
            &clock
        )
        .build(),
    );
    let put = s3.put_object().bucket("b").key("k").body(stream());
    assert!(put.content_length(4).send().await.is_err());
}

/// Four bytes that can be sent only once.
pub(crate) fn stream() -> ByteStream {
    let chunk = http_body::Frame::data(bytes::Bytes::from_static(b"once"));
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(chunk)]);
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(chunks)))
}

/// A provider that returns another secret at every call.
#[derive(Clone, Debug, Default)]
struct Changing(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl aws_credential_types::provider::ProvideCredentials for Changing {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let calls = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let secret = if calls == 0 { SECRET } else { OTHER_SECRET };
        aws_credential_types::provider::future::ProvideCredentials::ready(Ok(credentials(secret)))
    }
}
