//! From one answer to what is done about it: judge, learn, and say what happened.

mod exchange;

use std::time::Duration;

use crate::estimator::{Commitment, Estimate, Estimator, Learned, TakenBack, contradicts};
use crate::evidence::Strength;
use crate::host::Host;
use crate::incident::{Facts, Incident, Label};
use crate::judge::{Lesson, Verdict, judge};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

pub(crate) use exchange::Exchange;

/// Who signs again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// Somebody else, by the shared clock: it has to be moved first.
    Signer,
    /// The door itself, by any time it is told.
    Resigner,
}

/// What the door is to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ruling {
    /// Sign the request again and send it once more.
    pub(crate) resign: bool,
    /// The time to sign by, on the boot clock, if not the shared clock's.
    pub(crate) sign_by: Option<ClockOffset>,
    /// What is to be learned once the second send is let through.
    pub(crate) pending: Option<Lesson>,
    /// This host disagrees with one that AWS vouches for.
    pub(crate) is_disputed: bool,
}

impl Ruling {
    const RESIGN: Self = Self {
        resign: true,
        sign_by: None,
        pending: None,
        is_disputed: false,
    };

    fn pass() -> Self {
        Self::default()
    }
}

/// Rules on an answer that is not an accepted one, and learns from it.
pub(crate) fn rule(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) -> Ruling {
    keep_up(estimator, reading, incidents);
    let Exchange {
        evidence, attempt, ..
    } = exchange;
    if evidence.let_through() {
        confirm(estimator, exchange);
    }
    let was_corrected = estimator.estimate().is_some();
    let is_refused_again = exchange.is_refused() && estimator.is_taught_by(exchange.request);
    let verdict = judge(attempt, evidence, reading, estimator.now(reading));
    let facts = || exchange.facts(estimator, reading);
    let mut ruling = match verdict {
        Verdict::Nothing => Ruling::pass(),
        Verdict::NotTheClock => {
            let mut facts = facts();
            facts.is_conspicuous = evidence.is_signature_code() || was_corrected;
            incidents.push(Incident::NotTheClock(facts, evidence.other_cause()));
            Ruling::pass()
        }
        Verdict::StaleSignature => {
            if !exchange.is_second {
                incidents.push(Incident::StaleSignature(facts()));
            }
            Ruling::RESIGN
        }
        Verdict::AlreadyLearned => {
            // A host in dispute that says so agrees with the clock again.
            if let Some(host) = exchange.host {
                estimator.trust.settle(host);
            }
            Ruling::RESIGN
        }
        Verdict::Unknown { .. } | Verdict::Unsure => Ruling {
            resign: verdict.wants_resign(),
            ..Ruling::pass()
        },
        Verdict::Skew(lesson) => learn(estimator, exchange, &lesson, reading, incidents),
    };
    if exchange.is_second {
        // Learned from, never retried.
        ruling = Ruling {
            is_disputed: ruling.is_disputed,
            ..Ruling::pass()
        };
        if exchange.is_rejected() {
            incidents.push(Incident::RetryFailed(exchange.facts(estimator, reading)));
        }
    }
    // Unless words have taught the clock something firmer in the meantime.
    if is_refused_again && estimator.is_taught_by(exchange.request) {
        take_back(estimator, reading, exchange.taken_back(), incidents);
    }
    ruling
}

/// A request that another door has ruled on was sent again, and this is the answer
/// to that.
#[cfg(feature = "sdk")]
pub(crate) fn refused_again(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) {
    if exchange.is_rejected() {
        incidents.push(Incident::RetryFailed(exchange.facts(estimator, reading)));
    }
    if exchange.is_refused() && estimator.is_taught_by(exchange.request) {
        take_back(estimator, reading, exchange.taken_back(), incidents);
    }
}

/// Takes note of an accepted answer: it confirms, it vouches, and it can end a
/// correction.
pub(crate) fn accept(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) {
    keep_up(estimator, reading, incidents);
    let received = exchange.attempt.received;
    let date = exchange.credible_date();
    let interval = exchange.accepted_interval();
    // A tolerant server lets a lie through as well, and dates its answer right.
    if !interval.is_some_and(|interval| estimator.is_contradicted_by(interval, received)) {
        confirm(estimator, exchange);
    }
    let (Some(date), Some(interval)) = (date, interval) else {
        return;
    };
    let agrees = ClockOffset::between(date, estimator.now(reading)).magnitude() <= AGREES;
    if let Some(host) = exchange.host
        && agrees
    {
        if host.is_aws() && exchange.moves_at_signing == estimator.moves() {
            estimator.trust.vouch(host, reading);
        }
        estimator.trust.settle(host);
    }
    if let Some(ended) = estimator.contradict(interval, exchange.host, received) {
        let facts = Facts {
            host: exchange.host.and_then(|host| Label::new(host.name())),
            ..ended_facts(Some(&ended), reading)
        };
        incidents.push(Incident::Healed(facts));
    }
}

/// The second send of a request with a pending lesson was answered: it is learned
/// if that was let through, and its host is not believed for a while if not.
pub(crate) fn settle(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    lesson: &Lesson,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) {
    keep_up(estimator, reading, incidents);
    let name = exchange.host.map_or("", Host::name);
    if !exchange.evidence.let_through() {
        let has_misled = exchange.taken_back().discredits(lesson.is_rejection);
        if exchange.is_refused() && has_misled && !estimator.is_taught_by(exchange.request) {
            estimator.trust.mute(name, reading.boot);
        }
        return;
    }
    if exchange
        .accepted_interval()
        .is_some_and(|interval| contradicts(interval, lesson.point, exchange.attempt.received))
    {
        return;
    }
    estimator.trust.unmute(name);
    let known = estimator.now(reading);
    let taught = lesson.point.at_boot(reading.boot);
    // Another request may have taught the same in the meantime.
    if ClockOffset::between(known, taught).magnitude() >= crate::judge::WORTH_A_CORRECTION {
        commit(
            estimator,
            exchange,
            lesson,
            reading,
            Commitment::Firm,
            incidents,
        );
    }
}

/// A request with a pending lesson cannot be sent again: whatever is signed next
/// has to try it.
pub(crate) fn suppose(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    lesson: &Lesson,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) {
    let commitment = Commitment::Provisional {
        teacher: exchange.request,
    };
    commit(estimator, exchange, lesson, reading, commitment, incidents);
}

/// Ends what time alone ends.
pub(crate) fn keep_up(estimator: &mut Estimator, reading: Reading, incidents: &mut Vec<Incident>) {
    if estimator.is_overdue(reading.boot) {
        take_back(estimator, reading, TakenBack::Lapsed, incidents);
    }
    if let Some(ended) = estimator.heal(reading) {
        incidents.push(Incident::Healed(ended_facts(Some(&ended), reading)));
    }
}

fn learn(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    lesson: &Lesson,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) -> Ruling {
    let is_medium = lesson.strength != Strength::Message;
    let name = exchange.host.map_or("", Host::name);
    let is_muted = estimator.trust.is_muted(name, reading.boot);
    let commitment = match exchange.door {
        // It tries first and learns later: what was tried in vain is no lesson.
        Door::Resigner if is_medium && (exchange.is_second || is_muted) => return Ruling::pass(),
        Door::Resigner if is_medium && estimator.would_learn(lesson, exchange.host, reading) => {
            return Ruling {
                sign_by: Some(lesson.point),
                pending: Some(*lesson),
                ..Ruling::RESIGN
            };
        }
        Door::Signer if is_medium => Commitment::Provisional {
            teacher: exchange.request,
        },
        Door::Resigner | Door::Signer => Commitment::Firm,
    };
    commit(estimator, exchange, lesson, reading, commitment, incidents)
}

/// Learns what no rejection teaches: somebody has asked for the time.
#[cfg(any(feature = "aws-config", feature = "tower"))]
pub(crate) fn adopt(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    lesson: &Lesson,
    reading: Reading,
    incidents: &mut Vec<Incident>,
) -> Ruling {
    commit(
        estimator,
        exchange,
        lesson,
        reading,
        Commitment::Firm,
        incidents,
    )
}

fn commit(
    estimator: &mut Estimator,
    exchange: &Exchange<'_>,
    lesson: &Lesson,
    reading: Reading,
    commitment: Commitment,
    incidents: &mut Vec<Incident>,
) -> Ruling {
    let before = estimator.estimate().cloned();
    let learned = estimator.learn(lesson, exchange.host, reading, commitment);
    let facts = |estimator: &Estimator| Facts {
        source: Some(lesson.source),
        server_time: Some(lesson.server_time),
        ..exchange.facts(estimator, reading)
    };
    match learned {
        Learned::Moved => {
            let mut facts = facts(estimator);
            facts.previous_offset = Some(
                before
                    .as_ref()
                    .map_or(ClockOffset::ZERO, |estimate| estimate.offset(reading)),
            );
            if estimator.estimate().is_some() {
                incidents.push(Incident::Skew(facts));
            } else {
                facts.age = before.as_ref().map(|estimate| estimate.age(reading.boot));
                incidents.push(Incident::Healed(facts));
            }
            Ruling::RESIGN
        }
        Learned::Refused => {
            incidents.push(Incident::Refused(facts(estimator)));
            Ruling::pass()
        }
        Learned::Objection { by, is_first } => {
            if is_first {
                incidents.push(Incident::HostsDisagree(Facts {
                    other_host: Label::new(&by),
                    ..facts(estimator)
                }));
            }
            Ruling {
                // Whoever signs by the shared clock cannot sign for this host.
                resign: exchange.door == Door::Resigner,
                sign_by: Some(lesson.point),
                pending: None,
                is_disputed: true,
            }
        }
        Learned::Muted => Ruling::pass(),
    }
}

/// A request that was not signed is let through by any clock.
fn confirm(estimator: &mut Estimator, exchange: &Exchange<'_>) {
    if exchange.attempt.signed_at.is_some() {
        estimator.confirm(exchange.moves_at_signing);
    }
}

fn take_back(
    estimator: &mut Estimator,
    reading: Reading,
    why: TakenBack,
    incidents: &mut Vec<Incident>,
) {
    let ended = estimator.estimate().cloned();
    if estimator.take_back(reading.boot, why) {
        incidents.push(Incident::Withdrawn(Facts {
            offset: Some(estimator.offset(reading)),
            ..ended_facts(ended.as_ref(), reading)
        }));
    }
}

/// `None`: the machine's own time was what ended.
fn ended_facts(ended: Option<&Estimate>, reading: Reading) -> Facts {
    Facts {
        offset: Some(ClockOffset::ZERO),
        previous_offset: Some(ended.map_or(ClockOffset::ZERO, |estimate| estimate.offset(reading))),
        age: ended.map(|estimate| estimate.age(reading.boot)),
        ..Facts::default()
    }
}

/// An accepted `Date` this near speaks for the clock.
const AGREES: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
