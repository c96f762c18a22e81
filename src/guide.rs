//! The guide: how to use the crate, how it decides, and what was measured.
//!
//! Each page is also a file in the repository's `docs` folder.

// The programs in the cookbook need these features.
#[cfg(any(
    not(doctest),
    all(feature = "aws-config", feature = "tower", feature = "test-util")
))]
#[doc = include_str!("../docs/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../docs/sdk-features.md")]
pub mod sdk_features {}

#[doc = include_str!("../docs/comparison.md")]
pub mod comparison {}

#[doc = include_str!("../docs/security-model.md")]
pub mod security_model {}

#[doc = include_str!("../docs/interop.md")]
pub mod interop {}

#[doc = include_str!("../docs/verification.md")]
pub mod verification {}

#[doc = include_str!("../docs/observability.md")]
pub mod observability {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/migration.md")]
pub mod migration {}
