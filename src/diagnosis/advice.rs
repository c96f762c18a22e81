//! The advice for a person whose call failed.

use super::{Cause, Origin};
use crate::evidence::OtherCause;

/// Returns what to do about a cause.
pub(super) const fn of(cause: Cause, origin: Option<Origin>) -> &'static str {
    match (cause, origin) {
        (Cause::Clock(Some(_)), Some(origin)) => of_origin(origin).0,
        (Cause::Clock(Some(_)) | Cause::Certificate, _) => of_origin(Origin::NoNtp).0,
        (Cause::Clock(None), _) => {
            "Compare the local clock with the `Date` of a server: `date -u; curl -sI \
             https://sts.amazonaws.com`. If the clock is wrong, set it. If it is correct, find out \
             why requests are delayed between signing and sending. If a presigned URL was rejected \
             before it expired, the server is at fault: it applies the tolerance for signed headers \
             to the URL."
        }
        (Cause::ExpiredInTransit(_), _) => {
            "Find out why requests are delayed between signing and sending: a suspended machine or \
             container, a queue in front of the connection, a slow upload. Send smaller parts \
             (multipart uploads), limit how many requests run at once, and keep timeouts at 5 \
             minutes or less. If a presigned URL was rejected before it expired, the server is at \
             fault: it applies the tolerance for signed headers to the URL."
        }
        (Cause::AnotherClock(_), Some(Origin::Year)) => {
            "Look for a program that writes the week-based year (`YYYY` for `yyyy`, `%G` for `%Y`) \
             into its signatures: around New Year it differs from the calendar year."
        }
        (Cause::AnotherClock(_), _) => {
            "Repeat the call. If another machine signed it, set the clock of that machine."
        }
        (Cause::Other(cause), _) => text_of(cause).1,
        (Cause::Unrelated, _) => {
            "Read the error message: it is not about the clock or the signature."
        }
        (Cause::Unknown, _) => {
            "Check the access key and its secret, the region, and the local clock (the example \
             `doctor` of this crate compares it with that of a server)."
        }
    }
}

macro_rules! set_the_clock {
    ($why:literal) => {
        (
            concat!(
                "Set the local clock. Linux: `chronyc makestep`, or `timedatectl set-ntp true`. \
                 Windows: `w32tm /resync`. macOS: `sntp -sS time.apple.com`. WSL: `wsl --shutdown`. \
                 Docker Desktop and other virtual machines: restart the machine. Then find out why \
                 it was wrong. ",
                $why
            ),
            $why,
        )
    };
}

/// Returns what to do about a wrong clock, and why it is probably wrong.
pub(super) const fn of_origin(origin: Origin) -> (&'static str, &'static str) {
    match origin {
        Origin::NoBattery => set_the_clock!(
            "It shows a year before 2020, so the machine probably has no battery for its clock, or \
             a dead one, and NTP has not set the clock since the start."
        ),
        Origin::TimeZone => set_the_clock!(
            "The difference is the offset of a time zone, so local time was probably taken for UTC: \
             two systems on one machine, a hardware clock in local time, or a clock set by hand."
        ),
        Origin::Year => set_the_clock!(
            "The difference is whole years, so the year was probably set wrong, or a program writes \
             the week-based year (`YYYY` for `yyyy`, `%G` for `%Y`)."
        ),
        Origin::Suspend => set_the_clock!(
            "The difference is days, so a snapshot was probably restored, a virtual machine or a \
             laptop was suspended, or the battery of the hardware clock is dead."
        ),
        Origin::NoNtp => set_the_clock!(
            "Probably NTP has not set it for a long time (there is no NTP service, or UDP port 123 \
             is blocked), or the machine was suspended."
        ),
    }
}

/// Returns the text for a cause other than the clock, and what to do about it.
pub(super) const fn text_of(cause: OtherCause) -> (&'static str, &'static str) {
    match cause {
        OtherCause::WrongKey => (
            "the secret key is wrong, or the request was changed in transit",
            "Check the secret access key: stray spaces, a newline at its end, the secret of \
             another key. If it is correct, look for a proxy that changes headers, path or body.",
        ),
        OtherCause::ExpiredCredentials => (
            "the credentials have expired",
            "Get new credentials: `aws sso login`, or restart the program that refreshes them. If \
             they should be valid, check the local clock.",
        ),
        OtherCause::ExpiredUrl => (
            "the presigned URL or POST policy has expired",
            "Make a new URL. If it expired too early, it was signed by a clock that was behind: \
             sign with `start_time(clock.now())`, and set a longer expiry.",
        ),
        OtherCause::CredentialScope => (
            "the request was signed for another region or service",
            "Check the client's region, and that the endpoint belongs to this region and service.",
        ),
        OtherCause::UnknownCredentials => (
            "the service does not know the access key or session token",
            "Check the access key id, that the key is active, and that the session token belongs \
             to it and to this partition (AWS, China, GovCloud).",
        ),
        OtherCause::MissingAuthentication => (
            "the request had no signature",
            "Check that the client has credentials, and the path: API Gateway sends this error for \
             a path that does not exist.",
        ),
        OtherCause::MalformedDate | OtherCause::MalformedSignature => (
            "the request's date or signature was missing or could not be read",
            "Look for a proxy that changes headers, and check how the request is signed.",
        ),
        OtherCause::Denied => (
            "a policy denies the request to these credentials",
            "Check the policies of the caller and of the resource; `aws sts get-caller-identity` \
             shows the caller.",
        ),
    }
}
