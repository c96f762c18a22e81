//! Messages about another request, and messages to a request without a signature in its headers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::log::Log;
use crate::script::{Script, basic, response, signed};
use crate::stack::credentials;
use crate::world::{HOUR, World};

fn said(signed: SystemTime, server: SystemTime) -> String {
    format!(
        "Signature expired: {} is now earlier than {} ({} - 15 min.)",
        basic(signed),
        basic(server - Duration::from_secs(900)),
        basic(server)
    )
}

#[tokio::test]
async fn a_message_about_another_request_changes_nothing() {
    for (status, body) in [
        (400, r#"{"message":"Invalid comment: '|'"}"#),
        (
            403,
            r#"{"__type":"AccessDeniedException","message":"Label '|' is reserved"}"#,
        ),
        (
            403,
            r#"{"__type":"InvalidSignatureException","message":"|"}"#,
        ),
        (500, r#"{"__type":"InternalFailure","message":"|"}"#),
    ] {
        let log = Log::start();
        let world = World::with_skew(0);
        let script = Script::new(&world);
        let time = world.true_time() + Duration::from_hours(6 * 24);
        let said = said(time - Duration::from_hours(1), time);
        script.plan([Some(Ok(response(status, &body.replace('|', &said))))]);
        let clock = world.skew_clock();
        let service = clock.layer(credentials()).layer(script.clone());
        let answer = service.oneshot(signed(&world)).await;
        assert_eq!(answer.map(|answer| answer.status().as_u16()), Ok(status));
        assert_eq!(clock.now(), world.machine_wall(), "{status} {body}");
        assert_eq!(
            (script.sent().len(), log.names().len()),
            (1, 0),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_message_about_this_request_counts_whatever_its_code() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let said = said(world.machine_wall(), world.true_time());
    let body = format!(r#"{{"__type":"BadRequestException","message":"{said}"}}"#);
    script.plan([Some(Ok(response(400, &body)))]);
    let clock = world.skew_clock();
    let service = clock.layer(credentials()).layer(script.clone());
    let answer = service.oneshot(signed(&world)).await;
    assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
    assert!(clock.status().is_correcting());
}

/// A presigned URL, and a bearer token instead of a signature.
#[tokio::test]
async fn a_request_without_a_signature_in_its_headers_is_left_alone() {
    let world = World::with_skew(-HOUR);
    let said = said(world.machine_wall(), world.true_time());
    let presigned = "http://iot.test/mqtt?X-Amz-Date=20270115T070000Z&X-Amz-Signature=00";
    for (uri, status, body) in [
        (presigned, 403, format!(r#"{{"message":"{said}","traceId":"1"}}"#)),
        (
            presigned,
            403,
            "<Error><Code>RequestTimeTooSkewed</Code><Message>Forbidden</Message></Error>".into(),
        ),
        (
            "http://kubernetes.test/api",
            401,
            r#"{"kind":"Status","status":"Failure","message":"Unauthorized","code":401}"#.into(),
        ),
        (
            "http://oci.test/",
            401,
            r#"{"code":"NotAuthenticated","message":"Date 'Sun, 11 Mar 2018 16:32:46 UTC' is not within allowed clock skew. Current 'Sun, 11 Mar 2018 16:39:04 UTC', valid datetime range: ['Sun, 11 Mar 2018 16:34:04 UTC', 'Sun, 11 Mar 2018 16:44:05 UTC']"}"#.into(),
        ),
    ] {
        let log = Log::start();
        let script = Script::new(&world);
        let mut answer = response(status, &body);
        let date = httpdate::fmt_http_date(world.true_time());
        answer.headers_mut().insert("date", date.parse().expect("a value"));
        answer.headers_mut().insert("x-amzn-requestid", "id-1".parse().expect("a value"));
        script.plan([Some(Ok(answer))]);
        let clock = world.skew_clock();
        let request = Request::builder().uri(uri).header("authorization", "Bearer k8s-aws-v1.00");
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let service = clock.layer(credentials()).layer(script.clone());
        let answer = service.oneshot(request).await;
        assert_eq!(answer.map(|answer| answer.status().as_u16()), Ok(status), "{body}");
        assert_eq!((script.sent().len(), log.names().len()), (1, 0), "{body}");
        assert_eq!(clock.now(), world.machine_wall(), "{body}");
    }
}
