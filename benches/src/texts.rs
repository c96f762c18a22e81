//! Texts to parse: a clock skew error, and texts that are hard to parse.

/// The error of JSON services of AWS.
pub const REJECTION: &str = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired: 20261123T082151Z is now earlier than 20261123T090651Z (20261123T092151Z - 15 min.)"}"#;

/// Texts that repeat the beginning of a pattern or phrase and never complete it.
pub const BAITS: [(&str, &str); 18] = [
    (
        "sentences",
        "Signature expired: 20261123T082151Z is now earlier than ",
    ),
    ("words", "is now earlier than "),
    ("beginnings", "Signature expired "),
    ("fields", "<ServerTime>"),
    ("labels", "RequestTime: "),
    (
        "values",
        "<ServerTime>2026-11-23T08:21:51Z<MaxAllowedSkewMilliseconds>900000",
    ),
    ("stamps", "20261123T082151Z "),
    ("stamped", "request timestamp in the past "),
    ("codes", "\"code\":\""),
    ("types", "__typex"),
    ("messages", "</Messag<Code>signature we calculate"),
    ("quotes", "not authorized to perfor"),
    ("escapes", "\\u0026lt;&amp;"),
    ("tags", "<a>"),
    ("blanks", " \t"),
    ("letters", "a"),
    (
        "all",
        "than signature timestamp ServerTime token expired credential date request in the is now ",
    ),
    ("prose", "<p>Lorem ipsum dolor sit amet.</p>\n"),
];
