//! What a person can do about it.

use super::Cause;
use crate::evidence::OtherCause;

pub(super) const fn on(cause: Cause) -> &'static str {
    match cause {
        Cause::Clock(_) | Cause::Certificate => CLOCK,
        Cause::StaleSignature(_) => {
            "Look for what delays requests between signing and sending: a machine or container \
             that is suspended, a queue in front of the connection, a slow upload. Send in \
             smaller parts (multipart uploads), limit how many requests run at once, and raise \
             no time-out beyond 5 minutes."
        }
        Cause::AnotherClock(_) => {
            "Repeat the call. If it was signed elsewhere, set the clock of that machine."
        }
        Cause::Other(OtherCause::WrongKey) => {
            "Check the secret access key: stray spaces, a newline at its end, the secret of \
             another key. If it is right, look for a proxy that changes headers, path or body."
        }
        Cause::Other(OtherCause::ExpiredCredentials) => {
            "Get new credentials: `aws sso login`, or restart what refreshes them. If they \
             should be valid, check this machine's clock."
        }
        Cause::Other(OtherCause::ExpiredUrl) => {
            "Make a new URL. If it expired too early, it was signed by a clock that was behind: \
             sign with `start_time(skew.now())`, and let it live longer."
        }
        Cause::Other(OtherCause::CredentialScope) => {
            "Check the client's region, and that the endpoint belongs to it and to the service."
        }
        Cause::Other(OtherCause::UnknownCredentials) => {
            "Check the access key id, that the key is active, and that the session token belongs \
             to it and to this partition (AWS, China, GovCloud)."
        }
        Cause::Other(OtherCause::MissingAuthentication) => {
            "Check that the client has credentials, and the path: API Gateway answers so for \
             one that does not exist."
        }
        Cause::Other(OtherCause::MalformedDate | OtherCause::MalformedSignature) => {
            "Look for what changes headers on the way, and check how the request is signed."
        }
        Cause::Other(OtherCause::Denied) => {
            "Check the policies of the caller and of the resource; `aws sts get-caller-identity` \
             says who the caller is."
        }
        Cause::Unrelated => "Read the error itself.",
        Cause::Unknown => {
            "Check the access key and its secret, the region, and this machine's clock \
             (the example `doctor` of this crate compares it with a server's)."
        }
    }
}

const CLOCK: &str = "Set this machine's clock. Linux: `chronyc makestep`, or `timedatectl set-ntp \
    true`. Windows: `w32tm /resync`. WSL: `wsl --shutdown`. Docker Desktop and other virtual \
    machines: restart the machine. Then find out why it went wrong: NTP blocked (UDP port 123), \
    a dead battery, a restored snapshot.";
