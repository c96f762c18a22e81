//! [hyper](https://docs.rs/hyper): one connection, for requests signed with
//! [aws-sigv4](https://docs.rs/aws-sigv4).

use aws_clock_skew::tower::{SkewBody, SkewLayer};
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::Mutex;

/// Sends a signed request with an absolute URI over a connection to its host.
///
/// # Errors
///
/// The errors of the connection.
pub async fn send(
    layer: &SkewLayer,
    connection: &Mutex<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<SkewBody<Incoming>>> {
    let send = async |mut request: Request<Full<Bytes>>| {
        if let Some(host) = request.uri().authority().map(ToString::to_string)
            && let Ok(host) = HeaderValue::try_from(host)
        {
            request.headers_mut().insert(HOST, host);
        }
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        let mut connection = connection.lock().await;
        connection.ready().await?;
        connection.send_request(request).await
    };
    layer.send(request, send).await
}
