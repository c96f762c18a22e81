//! [`Authorization`]: what a signature's header says of it.

/// An `Authorization` header of SigV4, in parts.
pub(super) struct Authorization<'a> {
    pub(super) access_key: &'a str,
    pub(super) scope_date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let fields = value.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            let mut named = fields
                .split(',')
                .filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            // A field that stands twice says nothing.
            named.next().filter(|_| named.next().is_none())
        };
        // Access keys of other vendors may hold slashes; the scope has four parts.
        let mut credential = field("Credential")?.rsplitn(5, '/');
        let terminator = credential.next()?;
        let (service, region, scope_date) =
            (credential.next()?, credential.next()?, credential.next()?);
        let access_key = credential.next()?;
        (terminator == "aws4_request").then_some(Self {
            access_key,
            scope_date,
            region,
            service,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }

    pub(super) fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}
