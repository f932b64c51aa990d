//! The answer in words for people.

use std::fmt::Write as _;

use cli_output::output::cell;

use super::report::{Answer, Found, Measured, Report};
use super::times::Figures;

/// All stores, in the order in which they were named.
pub(super) fn in_words(report: &Report<'_>) -> String {
    let sample = report.sample;
    let mut text = format!(
        "tried with {} of {} entities of {} bytes, {} operations at a time, for {} s\n",
        sample.entities,
        sample.of_entities,
        sample.document_bytes,
        report.requirements.load.concurrency.get(),
        report.seconds,
    );
    for found in report.candidates {
        text.push('\n');
        of_one(&mut text, found);
    }
    text
}

// Writing into a string does not fail, here and below.
fn of_one(text: &mut String, found: &Found) {
    let place = found.place.as_ref().map_or(String::new(), |place| format!(" ({})", cell(place)));
    let name = found.name;
    match &found.answer {
        Answer::Refused { reasons } => {
            let _ = writeln!(text, "{name}: cannot do what is asked{place}");
            for refusal in reasons {
                let _ = writeln!(text, "  {}: {}", refusal.requirement, refusal.reason);
            }
        }
        Answer::NotMeasured { reason } => {
            let _ = writeln!(text, "{name}: can do what is asked, not measured{place}");
            let _ = writeln!(text, "  {reason}");
        }
        Answer::Failed { error } => {
            let _ = writeln!(text, "{name}: could not be tried{place}");
            let _ = writeln!(text, "  {}", error.summary());
        }
        Answer::Measured(measured) => {
            let met = if measured.met { "meets" } else { "does not meet" };
            let _ = writeln!(text, "{name}: {met} what is asked{place}");
            figures(text, measured);
        }
    }
}

fn figures(text: &mut String, measured: &Measured) {
    let _ = writeln!(text, "  filled at {:.0} entities/s", measured.filled_per_second);
    let kinds =
        [("reads", &measured.reads), ("writes", &measured.writes), ("queries", &measured.queries)];
    for (kind, figures) in kinds {
        if let Some(figures) = figures {
            let _ = writeln!(text, "  {kind}: {}", of_kind(figures));
        }
    }
}

fn of_kind(figures: &Figures) -> String {
    let mut text = format!("{:.1}/s of {}/s", figures.per_second, figures.required_per_second);
    let millis = |share: Option<f64>| share.map_or("-".to_owned(), |took| format!("{took:.2}"));
    let _ = write!(
        text,
        ", p50 {} ms, p99 {} ms, longest {} ms",
        millis(figures.p50_ms),
        millis(figures.p99_ms),
        millis(figures.max_ms),
    );
    if let Some(most) = figures.required_p99_ms {
        let _ = write!(text, ", p99 of at most {} ms is asked for", most.get());
    }
    if let Some(first) = &figures.first_failure {
        let _ = write!(text, ", {} failed, the first: {}", figures.failed, first.summary());
    }
    if !figures.met {
        text.push_str(" (not met)");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::advise::stores::refusals::Refusal;
    use crate::advise::stores::requirements::from_text;
    use crate::advise::stores::sample::Sample;
    use crate::advise::stores::times::Times;

    #[test]
    fn people_read_what_was_tried_and_what_came_of_it() {
        let wanted = from_text(
            r#"{"data": {"entities": 50000, "document_bytes": 100},
                "load": {"reads_per_second": 2}, "latency": {"read_p99_ms": 1.5}}"#,
        );
        let sample = Sample::of(&wanted, 1_000).unwrap();
        let mut times = Times::default();
        times.add(Duration::from_millis(1), Ok(()));
        times.add(Duration::from_millis(2), Ok(()));
        let (load, latency) = (&wanted.load, &wanted.latency);
        let second = Duration::from_secs(1);
        let reads = times.figures(load.reads_per_second, second, latency.read_p99_ms);
        let slow =
            Measured { filled_per_second: 1234.4, reads, writes: None, queries: None, met: false };
        let refused = Answer::Refused { reasons: vec![Refusal::new("needs.hosts", "one machine")] };
        let candidates = [
            Found { name: "json", place: None, answer: refused },
            Found {
                name: "sqlite",
                place: Some("sqlite:x".to_owned()),
                answer: Answer::Measured(Box::new(slow)),
            },
        ];
        let report =
            Report { requirements: &wanted, sample: &sample, seconds: 1, candidates: &candidates };
        let expected = "\
tried with 1000 of 50000 entities of 100 bytes, 1 operations at a time, for 1 s

json: cannot do what is asked
  needs.hosts: one machine

sqlite: does not meet what is asked (sqlite:x)
  filled at 1234 entities/s
  reads: 2.0/s of 2/s, p50 1.00 ms, p99 2.00 ms, longest 2.00 ms, p99 of at most 1.5 ms is asked for (not met)
";
        assert_eq!(in_words(&report), expected);
    }
}
