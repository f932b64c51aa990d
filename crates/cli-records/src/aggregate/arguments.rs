//! The flags of `aggregate`.

use clap::Args;
use cli_output::failure::usage;
use repo_core::{AggregateFunction, Aggregation, DEFAULT_MAX_GROUPS, Filter, Result};

/// What can be typed after `aggregate` and the collection.
#[derive(Debug, Args)]
// A command flattens it into its own arguments, whose group has this name already.
#[group(skip)]
pub struct Arguments {
    /// Which entities, as JSON: '{"status": {"$in": ["RUNNING"]}}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    filter: String,
    /// The fields to group by; without it everything is one group
    #[arg(long, value_name = "F,…", value_delimiter = ',')]
    group_by: Vec<String>,
    /// Count the entities; done anyway if nothing else is asked for
    #[arg(long)]
    count: bool,
    /// Sum the numbers in a field; may be repeated, as the next ones
    #[arg(long, value_name = "F")]
    sum: Vec<String>,
    /// The least number in a field, or else the least string
    #[arg(long, value_name = "F")]
    min: Vec<String>,
    /// The greatest string in a field, or else the greatest number
    #[arg(long, value_name = "F")]
    max: Vec<String>,
    /// The mean of the numbers in a field
    #[arg(long, value_name = "F")]
    avg: Vec<String>,
    /// Most groups, up to 100000; more are an error
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_GROUPS)]
    max_groups: usize,
}

impl Arguments {
    /// What is asked: of every acknowledged write, as `count` has it.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no filter, field or number of groups, and for what stands
    /// twice.
    pub fn aggregation(&self) -> Result<Aggregation> {
        self.asked().map_err(usage)
    }

    fn asked(&self) -> Result<Aggregation> {
        let mut asked = Aggregation::new(Filter::parse(&self.filter)?).strong();
        for field in &self.group_by {
            asked = asked.group_by(field)?;
        }
        let named =
            [("sum", &self.sum), ("min", &self.min), ("max", &self.max), ("avg", &self.avg)];
        if self.count || named.iter().all(|(_, fields)| fields.is_empty()) {
            asked = asked.count()?;
        }
        for (name, fields) in named {
            for field in fields {
                asked = asked.function(AggregateFunction::parse(&format!("{name}({field})"))?)?;
            }
        }
        asked.max_groups(self.max_groups)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use repo_core::ErrorKind;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        asked: Arguments,
    }

    fn asked(words: &[&str]) -> Result<Aggregation> {
        let words = std::iter::once(&"aggregate").chain(words);
        Line::try_parse_from(words).unwrap().asked.aggregation()
    }

    fn functions(words: &[&str]) -> Vec<String> {
        asked(words).unwrap().functions().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_say_what_is_asked() {
        assert_eq!(functions(&[]), ["count"]);
        assert_eq!(functions(&["--sum", "a", "--sum", "b.c"]), ["sum(a)", "sum(b.c)"]);
        assert_eq!(
            functions(&["--avg", "a", "--min", "a", "--count", "--max", "a"]),
            ["count", "min(a)", "max(a)", "avg(a)"]
        );
        let by = asked(&["--group-by", "a,b.c", "--max-groups", "7"]).unwrap();
        assert_eq!(
            by.group_fields().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a", "b.c"]
        );
        assert_eq!((by.group_limit(), by.filter().is_all()), (7, true));
    }

    #[test]
    fn what_is_wrong_is_a_wrong_command_line() {
        for words in [
            &["--filter", "{\"a\":{\"$below\":1}}"][..],
            &["--group-by", "a,,b"],
            &["--group-by", "a,a"],
            &["--sum", "a", "--sum", "a"],
            &["--max", "_version"],
            &["--max-groups", "0"],
            &["--max-groups", "100001"],
        ] {
            assert_eq!(asked(words).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{words:?}");
        }
    }
}
