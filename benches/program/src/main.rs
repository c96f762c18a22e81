//! A minimal program with one SDK client: it receives one message.

use aws_config::BehaviorVersion;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    #[cfg(feature = "logs")]
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let loader = aws_config::defaults(BehaviorVersion::latest());
    #[cfg(feature = "skew")]
    let loader = aws_clock_skew::SkewClock::new().configure(loader);
    let config = loader.load().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = std::env::args().nth(1).unwrap_or_default();
    match sqs.receive_message().queue_url(queue).send().await {
        Ok(received) => println!("{:?}", received.messages()),
        Err(error) => eprintln!("{error:?}"),
    }
}
