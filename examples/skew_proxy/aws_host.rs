//! Which host of AWS a request is for, by the scope of its signature.

use std::fmt;
use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery};

/// Where a request goes that a program has signed for this proxy.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) path: PathAndQuery,
}

/// Why there is no host for a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoHost {
    /// The signature is not for this proxy.
    SignedFor(String),
    Service(String, String),
    Region(String),
}

impl Target {
    /// Returns where a request goes that was signed for `host`, which has to be the proxy
    /// on `port` itself: others may have been given requests that were signed for them.
    pub(crate) fn of(
        (service, region): (&str, &str),
        host: &str,
        port: u16,
        path: &PathAndQuery,
    ) -> Result<Self, NoHost> {
        let elsewhere = || NoHost::SignedFor(shown(host));
        let name = own_name(host, port).ok_or_else(elsewhere)?;
        let endpoint = endpoint(service, region)?;
        let bucket = match name.strip_suffix("localhost") {
            None | Some("") => "",
            // `http://bucket.localhost:8080`
            Some(bucket) if service == "s3" => bucket.trim_end_matches('.'),
            Some(_) => return Err(elsewhere()),
        };
        let (host, path) = match bucket {
            "" => (endpoint, path.clone()),
            // The certificate of S3 covers one label.
            dotted if dotted.contains('.') => {
                let path = format!("/{dotted}{path}").parse();
                (endpoint, path.map_err(|_| elsewhere())?)
            }
            bucket => (format!("{bucket}.{endpoint}"), path.clone()),
        };
        Ok(Self { host, path })
    }
}

/// Returns the name by which a `Host` header names the proxy.
fn own_name(host: &str, port: u16) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host().to_ascii_lowercase();
    let is_loopback = name == "localhost"
        || name.ends_with(".localhost")
        || name
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    let is_own = is_loopback
        && authority.port_u16().unwrap_or(80) == port
        && !authority.as_str().contains('@');
    is_own.then_some(name)
}

/// Returns the host of a service in a region.
fn endpoint(service: &str, region: &str) -> Result<String, NoHost> {
    let suffix = dns_suffix(region).ok_or_else(|| NoHost::Region(shown(region)))?;
    if let Some((.., host)) = ONE_HOST
        .iter()
        .find(|(name, ..)| *name == service)
        .filter(|(_, only, _)| *only == region)
    {
        return Ok((*host).to_owned());
    }
    let other = || {
        let mut labels = OTHER_LABELS.iter();
        labels.find_map(|(name, label)| (*name == service).then_some(*label))
    };
    let mut services = SERVICES.split_whitespace();
    let label = services.find(|name| *name == service).or_else(other);
    let label = label.ok_or_else(|| NoHost::Service(shown(service), shown(region)))?;
    Ok(format!("{label}.{region}.{suffix}"))
}

/// Returns the suffix of a region's hosts; the table is that of the SDKs
/// (`partitions.json`). `None` if this is not the name of a region.
fn dns_suffix(region: &str) -> Option<&'static str> {
    let mut parts = region.rsplit('-');
    let number = parts.next()?;
    let is_word = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (2..=3).contains(&parts.clone().count())
        && parts.all(|part| (2..=12).contains(&part.len()) && is_word(part));
    let partition = PARTITIONS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    is_region.then(|| partition.map_or("amazonaws.com", |(_, suffix)| suffix))
}

/// The first 64 characters, of those that can be shown.
fn shown(text: &str) -> String {
    let shown = text.chars().filter(char::is_ascii_graphic);
    shown.take(64).collect()
}

impl fmt::Display for NoHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedFor(host) => write!(
                f,
                "it was signed for `{host}`, which is not this proxy's own address"
            ),
            Self::Service(service, region) => write!(
                f,
                "the proxy knows no endpoint of the service `{service}` in {region}; --help lists \
                 the services"
            ),
            Self::Region(region) => write!(f, "`{region}` is not the name of a region"),
        }
    }
}

/// By the beginning of a region's name. All others, `us-gov-` among them, are under
/// `amazonaws.com`.
const PARTITIONS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
];

/// Services that have one host for all regions of a partition, and sign for this region.
pub(crate) const ONE_HOST: [(&str, &str, &str); 4] = [
    ("cloudfront", "us-east-1", "cloudfront.amazonaws.com"),
    ("iam", "us-east-1", "iam.amazonaws.com"),
    (
        "organizations",
        "us-east-1",
        "organizations.us-east-1.amazonaws.com",
    ),
    ("route53", "us-east-1", "route53.amazonaws.com"),
];

/// Services whose hosts do not begin with the name that they sign for.
pub(crate) const OTHER_LABELS: [(&str, &str); 2] = [("ecr", "api.ecr"), ("ses", "email")];

/// Services whose hosts are `SERVICE.REGION.SUFFIX`. One with several hosts, such as
/// Bedrock, is not among them: the scope does not say which is meant.
pub(crate) const SERVICES: &str = "\
acm acm-pca apigateway application-autoscaling athena autoscaling backup
batch cloudcontrolapi cloudformation cloudtrail codebuild codecommit
codedeploy codepipeline cognito-identity cognito-idp comprehend config
datasync dms dynamodb ec2 ecs eks elasticache elasticfilesystem
elasticloadbalancing elasticmapreduce events firehose fsx glue guardduty
inspector2 kinesis kms lakeformation lambda logs monitoring polly ram rds
redshift rekognition s3 scheduler secretsmanager servicediscovery sns sqs
ssm states sts tagging textract translate wafv2 xray";
