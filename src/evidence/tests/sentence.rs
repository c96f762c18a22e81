use super::{said, summary};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(summary(&said("", text)), expected, "{text}");
}

#[test]
fn whole_sentences_state_everything() {
    let behind = "Behind 1000 1005 1020 900";
    check(
        "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)",
        behind,
    );
    check(
        "SIGNATURE EXPIRED: `@100000Z` is now earlier than `@100500Z` (@102000Z – 15 min.)",
        behind,
    );
    check(
        "2026-01-01T10:00:00Z is now earlier than 2026-01-01 10:05:00.000+00:00 (@102000Z - 900 sec",
        behind,
    );
    check(
        "Thu, 1 Jan 2026 10:00:00 GMT is now earlier than Thu, 01 Jan 2026 10:05:00 +0000 (@102000Z - 15 min",
        behind,
    );
    check(
        "1767261600 is now earlier than 1767261900000 [1767262800 - 15 min.]",
        behind,
    );
    let ahead =
        "Signature not yet current: @102000Z is still later than @100500Z (@100000Z + 5 min.)";
    check(ahead, "Ahead 1020 1005 1000 300");
    check(
        "is\nstill\tlater than: @100500Z(@100000Z+5min",
        "Ahead - 1005 1000 300",
    );
}

#[test]
fn a_part_states_what_is_left() {
    let uncut = "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
    for (cut, expected) in [
        ("5 min.)", "Behind 1000 1005 1020 -"),
        (" - 15 min.)", "Behind 1000 1005 1020 -"),
        ("00Z - 15 min.)", "Behind 1000 1005 - -"),
        ("500Z (@102000Z - 15 min.)", "Behind 1000 - - -"),
        (
            "lier than @100500Z (@102000Z - 15 min.)",
            "Behind 1000 - - -",
        ),
        (
            "00Z is now earlier than @100500Z (@102000Z - 15 min.)",
            "Behind - - - -",
        ),
    ] {
        check(uncut.strip_suffix(cut).unwrap(), expected);
    }
    check(
        "is now earlier than @100500Z (Service: SQS; Status Code: 403)",
        "Behind - 1005 - -",
    );
    check(
        "Signature expired: @100000Z is now earlier than … (… - 5 min.)",
        "Behind 1000 - - 300",
    );
    check(
        "Signature expired: date is now earlier than date (@102000Z - 5 min.)",
        "Behind - - 1020 300",
    );
    check(
        "InvalidSignatureException Signature expired: ...",
        "Behind - - - -",
    );
    check("Signature not yet current: ", "Ahead - - - -");
}

#[test]
fn copies_complete_each_other_and_the_first_counts() {
    let whole = "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
    let behind = "Behind 1000 1005 1020 900";
    check(
        &format!("Signature expired: @100000Z is now earl (truncated...) {whole}"),
        behind,
    );
    check(
        &format!("@100000Z is now earlier than @1005 (truncated...) {whole} - {whole}"),
        behind,
    );
    check(
        &format!("{whole} then @110000Z is now earlier than @110500Z (@112000Z - 15 min.)"),
        behind,
    );
}

#[test]
fn contradictions_state_no_time() {
    for text in [
        "@100000Z is now earlier than @100500Z (@102001Z - 15 min.)",
        "@100000Z is now earlier than @100500Z (@102000Z + 15 min.)",
        "@102000Z is now earlier than @100500Z (@102000Z - 15 min.)",
        "@100000Z is now earlier than @102000Z (@102000Z",
        "@100000Z is now earlier than @102000Z (@102001Z",
        "@100000Z is now earlier than @103500Z (@102000Z - 15 min.)",
        "@100000Z is now earlier than @102000Z (@102000Z - 5 min.), @100000Z is now earlier than @101500Z",
    ] {
        check(text, "Behind - - - -");
    }
    check("@102000Z is still later than @103000Z", "Ahead - - - -");
    let both = "@100000Z is now earlier than @100500Z, @102000Z is still later than @100500Z";
    check(both, "Unspecified - - - -");
    let edge = "@100500Z is now earlier than @100500Z (@102000Z - 15 min.)";
    check(edge, "Behind 1005 1005 1020 900");
}

#[test]
fn other_sentences_are_no_clock_skew_errors() {
    check(
        "Request signature expired at: 2026-01-01T10:00:00+00:00",
        "None - - - -",
    );
    check(
        "the token signature expired: 2026-01-01T10:00:00Z",
        "None - - - -",
    );
    check("Your signature expired on Thu, 1 Jan 2026", "None - - - -");
    check("Signature has expired", "None - - - -");
    check("Signature expired.", "None - - - -");
    check("", "None - - - -");
}
