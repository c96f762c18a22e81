//! Sets the cfg for this package alone: in `RUSTFLAGS` it would reach every dependency.

fn main() {
    println!("cargo::rustc-cfg=clock_skew_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
