//! The client, with and without a `SkewClock`.

use super::{arguments::Correction, machine::Machine};
use aws_clock_skew::{Limits, SkewClock, SkewWatcher, install};
use aws_config::SdkConfig;
use aws_sdk_sqs::{Client, config::Builder};
use httpdate::fmt_http_date;
use std::time::Duration;

/// Returns a client on this machine.
pub(crate) fn client(config: &SdkConfig, machine: Machine, correction: Correction) -> Client {
    let builder = Builder::from(config);
    let builder = match correction {
        Correction::Crate => {
            // In your program: `SkewClock::new()`. The limits are as wide as `--skew` here, because
            // an endpoint on loopback has no TLS.
            let clock = SkewClock::builder()
                .local_clock(machine)
                .limits(
                    Limits::default()
                        .with_max_forward(ELEVEN_YEARS)
                        .with_max_forward_from_message(ELEVEN_YEARS),
                )
                .build();
            tokio::spawn(print_changes(clock.clone(), clock.subscribe()));
            install!(builder, &clock)
        }
        Correction::Sdk => builder
            .time_source(machine)
            .disable_clock_skew_correction(false),
        Correction::None => builder
            .time_source(machine)
            .disable_clock_skew_correction(true),
    };
    Client::from_conf(builder.build())
}

/// Prints each change of the correction. In a service, the log events are enough.
async fn print_changes(clock: SkewClock, mut watcher: SkewWatcher) {
    let mut was_correcting = false;
    loop {
        watcher.changed().await;
        let status = watcher.status();
        if status.is_correcting() {
            println!(
                "Corrected The local clock is {} (± {} ms). Requests are now signed with {}.",
                status.offset(),
                status.uncertainty().as_millis(),
                fmt_http_date(clock.now()),
            );
        } else if was_correcting {
            println!("Cleared   Requests are signed with the local clock again.");
        }
        was_correcting = status.is_correcting();
    }
}

/// More than `--skew` accepts.
const ELEVEN_YEARS: Duration = Duration::from_hours(11 * 366 * 24);
