//! How long a file and a function may be. What is longer wants to be split by meaning.

use syn::spanned::Spanned as _;
use syn::visit::Visit;

use super::Finding;
use super::sources::Source;

const FILE_MOST: usize = 800;
const FILE_P90: usize = 450;
const FUNCTION_MOST: usize = 100;
const FUNCTION_P90: usize = 40;

/// The page that shows a request's life has a budget of its own.
const PIPELINE: (&str, usize) = ("crates/gate/src/pipeline.rs", 150);

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for source in sources {
        let place = source.path.display().to_string();
        let lines = source.text.lines().count();
        files.push(lines);
        let most = if place == PIPELINE.0 { PIPELINE.1 } else { FILE_MOST };
        if lines > most {
            findings
                .push(Finding::new(&place, format!("{lines} lines, at most {most}: split it by meaning")));
        }
        let mut lengths = Lengths::default();
        lengths.visit_file(&source.tree);
        for (name, line, length) in lengths.0 {
            functions.push(length);
            if length > FUNCTION_MOST {
                let what =
                    format!("fn {name} has {length} lines, at most {FUNCTION_MOST}: give its steps names");
                findings.push(Finding::new(format!("{place}:{line}"), what));
            }
        }
        findings.extend(silenced(source));
    }
    for (what, mut lengths, most) in [("files", files, FILE_P90), ("functions", functions, FUNCTION_P90)] {
        lengths.sort_unstable();
        let p90 = lengths.get(lengths.len() * 9 / 10).copied().unwrap_or(0);
        if p90 > most {
            findings.push(Finding::new(what, format!("nine of ten stay under {most} lines; today {p90}")));
        }
    }
    findings
}

/// Tests that do not run, and notes of unfinished work.
fn silenced(source: &Source) -> Vec<Finding> {
    let marks = [concat!("#[", "ignore"), concat!("FIX", "ME"), concat!("TO", "DO")];
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            let mark = marks.iter().find(|mark| line.contains(**mark))?;
            let place = format!("{}:{}", source.path.display(), number + 1);
            Some(Finding::new(place, format!("'{mark}': finish it, or open an issue and take it out")))
        })
        .collect()
}

#[derive(Default)]
struct Lengths(Vec<(String, usize, usize)>);

impl Lengths {
    fn note(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (start, end) = (name.span().start().line, block.span().end().line);
        self.0.push((name.to_string(), start, end.saturating_sub(start) + 1));
    }
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note(&function.sig.ident, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.sig.ident, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_a_long_file_and_an_ignored_test_are_found() {
        let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_MOST));
        let ignored = concat!("#[", "ignore]\nfn never() {}\n");
        let text = format!("{long}{ignored}{}", "// filler\n".repeat(FILE_MOST));
        let findings = check(&[Source::made_up("crates/x/src/a.rs", &text)]);
        let all: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        for part in ["fn long has 102 lines", "split it by meaning", "ignore"] {
            assert!(all.iter().any(|what| what.contains(part)), "{part}: {all:?}");
        }
        assert!(check(&[Source::made_up("crates/x/src/a.rs", "fn short() {}\n")]).is_empty());
    }
}
