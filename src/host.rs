//! [`Host`]: the host of a request, and whether AWS operates it.

/// The host in the URI of a request.
///
/// The `Host` header is never used, because TLS authenticates the authority of the URI and
/// not that header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Host {
    name: Box<str>,
    is_tls: bool,
    is_aws: bool,
}

impl Host {
    /// Returns the host of an absolute URI, or `None` if it has none.
    pub(crate) fn of_uri(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        if scheme.contains(['/', '?', '#']) {
            // This is a path that contains another URI.
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next()?;
        Self::new(authority, scheme.eq_ignore_ascii_case("https"))
    }

    /// Returns the host of an authority (`user@host:port`), or `None` if it is
    /// empty.
    pub(crate) fn new(authority: &str, is_tls: bool) -> Option<Self> {
        let without_user = authority.rsplit('@').next()?;
        let host = if without_user.starts_with('[') {
            without_user.split_inclusive(']').next()?
        } else {
            without_user.split(':').next()?
        };
        let host = host.trim_end_matches('.');
        if host.is_empty() {
            return None;
        }
        let name = host.to_ascii_lowercase();
        let is_aws = is_tls && is_aws_name(&name);
        Some(Self {
            name: name.into_boxed_str(),
            is_tls,
            is_aws,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns whether TLS authenticates this host as an endpoint that AWS operates, and
    /// behind which no customer's server answers.
    pub(crate) const fn is_aws(&self) -> bool {
        self.is_aws
    }
}

fn is_aws_name(name: &str) -> bool {
    let under_aws = SUFFIXES.iter().any(|suffix| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    under_aws && !is_customers_name(name)
}

/// Returns the DNS suffix of the endpoints of a region (`partitions.json`).
#[cfg(feature = "aws-config")]
pub(crate) fn dns_suffix_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    partitions
        .iter()
        .find_map(|(prefix, suffix)| region.starts_with(prefix).then_some(*suffix))
        .unwrap_or("amazonaws.com")
}

/// Returns whether a customer's server answers behind this name. A label in [`LABELS`] says
/// so only after the first label, as in `search-x.us-east-1.es.amazonaws.com`. As the first
/// label it is the service's own API (`es.us-east-1.amazonaws.com`), or the name of a
/// bucket.
fn is_customers_name(name: &str) -> bool {
    // An EC2 instance, or an endpoint service.
    let is_resource = |label: &str| {
        let address = label.strip_prefix("ec2-");
        label.starts_with(ENDPOINT_SERVICE)
            || address.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let is_listed = |label: &str| {
        let label = label.strip_suffix("-fips").unwrap_or(label);
        LABELS.contains(&label) || label.starts_with(WEBSITE)
    };
    let (first, behind) = name.split_once('.').unwrap_or((name, ""));
    first.ends_with(OBJECT_LAMBDA_ALIAS)
        || name.split('.').any(is_resource)
        || behind.split('.').any(is_listed)
}

/// The DNS suffixes of all partitions, for IPv4 and for dual stack, from the endpoint rules
/// of the AWS SDKs (`partitions.json`).
const SUFFIXES: [&str; 14] = [
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

/// Labels of names under AWS suffixes behind which customers' servers answer.
const LABELS: [&str; 13] = [
    "s3-object-lambda",
    "execute-api",
    "lambda-url",
    "vpc-lattice",
    "vpc-lattice-svcs",
    "ec2",
    "compute",
    "compute-1",
    "elb",
    "es",
    "aoss",
    "elasticbeanstalk",
    "cloudfront",
];

/// Prefixes of such labels.
const ENDPOINT_SERVICE: &str = "vpce-svc";
const WEBSITE: &str = "s3-website";
/// The suffix of an Object Lambda alias. S3 accepts it in place of the name of a bucket,
/// and a customer's function answers.
const OBJECT_LAMBDA_ALIAS: &str = "--ol-s3";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_aws(uri: &str, expected: bool) {
        let host = Host::of_uri(uri).expect("has a host");
        assert_eq!(host.is_aws(), expected, "{uri} -> {host:?}");
    }

    #[test]
    fn endpoints_of_every_partition_are_aws() {
        for suffix in SUFFIXES {
            is_aws(&format!("https://sqs.some-region-1.{suffix}/"), true);
            is_aws(&format!("https://{suffix}"), true);
            is_aws(&format!("http://sqs.some-region-1.{suffix}/"), false);
            is_aws(&format!("https://sqs{suffix}/"), false);
        }
    }

    #[cfg(feature = "aws-config")]
    #[test]
    fn sts_of_every_region_is_aws() {
        for region in [
            "us-east-1",
            "us-gov-west-1",
            "cn-north-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
        ] {
            is_aws(
                &format!("https://sts.{region}.{}", dns_suffix_of(region)),
                true,
            );
        }
    }

    #[test]
    fn spelling_does_not_matter() {
        is_aws("https://SQS.us-east-1.AmazonAWS.com", true);
        is_aws("HTTPS://sqs.us-east-1.amazonaws.com.:443/queue?x=/@y", true);
        is_aws("https://user:pass@sqs.us-east-1.amazonaws.com/", true);
        is_aws("https://bucket.s3.us-west-2.amazonaws.com/key", true);
        is_aws("https://ec2.us-west-2.amazonaws.com/", true);
        is_aws("https://es.us-west-2.amazonaws.com/", true);
    }

    #[test]
    fn names_of_aws_that_look_like_customers_are_aws() {
        for name in [
            "ec2-instance-connect.us-east-1",
            "ec2-fips.us-east-1",
            "ec2-logs.s3.us-west-2",
            "ec2-messages.us-east-1",
            "s3-website-backup.s3.us-west-2",
            "s3-object-lambda.us-east-1",
        ] {
            is_aws(&format!("https://{name}.amazonaws.com/"), true);
        }
    }

    #[test]
    fn names_that_only_look_like_aws_are_not() {
        is_aws("https://amazonaws.com.evil.example/", false);
        is_aws("https://evilamazonaws.com/", false);
        is_aws("https://sqs.us-east-1.amazonaws.com@evil.example/", false);
        is_aws(
            "https://evil.example:443/sqs.us-east-1.amazonaws.com",
            false,
        );
        is_aws("https://evil.example?.amazonaws.com", false);
        is_aws("https://[::1]:8000/", false);
        is_aws("https://127.0.0.1/", false);
        is_aws("https://localhost.localstack.cloud:4566/", false);
    }

    #[test]
    fn customers_under_aws_names_are_not() {
        for name in [
            "abc123.execute-api.us-east-1.amazonaws.com",
            "xyz.lambda-url.us-east-1.on.aws",
            "svc-1.7d67968.vpc-lattice-svcs.us-east-1.on.aws",
            "ec2-203-0-113-25.compute-1.amazonaws.com",
            "ec2-203-0-113-25.us-west-2.compute.amazonaws.com",
            "my-lb-1234.us-east-1.elb.amazonaws.com",
            "bucket.s3-website-us-east-1.amazonaws.com",
            "bucket.s3-website.us-east-2.amazonaws.com",
            "vpce-0123-abc.vpce-svc-0456.us-east-1.vpce.amazonaws.com",
            "vpce-svc-0456.us-east-1.vpce.amazonaws.com",
            "point-123456789012.s3-object-lambda.us-east-1.amazonaws.com",
            "point-123456789012.s3-object-lambda-fips.us-east-1.amazonaws.com",
            "alias-x1y2--ol-s3.s3.us-east-1.amazonaws.com",
            "ec2-203-0-113-25.eu-west-1.compute.amazonaws.com.cn",
            "search-domain.us-east-1.es.amazonaws.com",
            "collection.us-east-1.aoss.amazonaws.com",
            "env.us-east-1.elasticbeanstalk.amazonaws.com",
            "d111111abcdef8.cloudfront.net",
        ] {
            is_aws(&format!("https://{name}/"), false);
        }
    }

    #[test]
    fn a_uri_without_a_host_has_none() {
        for uri in [
            "/path",
            "/proxy/http://host/",
            "?https://host/",
            "https://",
            "https://:443/",
            "https://./",
            "",
            "sqs.amazonaws.com",
        ] {
            assert_eq!(Host::of_uri(uri), None, "{uri}");
        }
    }
}
