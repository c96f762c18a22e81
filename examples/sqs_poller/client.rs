//! The client, with and without a `SkewClock`.

use super::{arguments::Correction, machine::Machine};
use aws_clock_skew::{SkewClock, SkewWatcher, install};
use aws_config::SdkConfig;
use aws_sdk_sqs::{Client, config::Builder};
use httpdate::fmt_http_date;

/// Returns a client on this machine.
pub(crate) fn client(config: &SdkConfig, machine: Machine, correction: Correction) -> Client {
    let builder = Builder::from(config);
    let builder = match correction {
        Correction::AwsClockSkew => {
            // On a machine that need not pretend: SkewClock::new().
            let skew = SkewClock::builder().local_clock(machine).build();
            tokio::spawn(tell_lessons(skew.clone(), skew.subscribe()));
            install!(builder, &skew)
        }
        Correction::Native => builder
            .time_source(machine)
            .disable_clock_skew_correction(false),
        Correction::Nothing => builder
            .time_source(machine)
            .disable_clock_skew_correction(true),
    };
    Client::from_conf(builder.build())
}

/// Prints every correction; a service has the log events.
async fn tell_lessons(skew: SkewClock, mut changes: SkewWatcher) {
    loop {
        changes.changed().await;
        let status = changes.status();
        if status.is_correcting() {
            println!(
                "Lesson    the machine's clock is {}, give or take {} ms; from now on \
                 requests are signed for {}",
                status.offset(),
                status.uncertainty().as_millis(),
                fmt_http_date(skew.now()),
            );
        } else {
            println!("Lesson    the machine's clock is taken to be right");
        }
    }
}
