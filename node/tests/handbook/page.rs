//! A page taken apart: what is typed, and what the page says that comes of it.

/// A page with its commands.
pub(crate) struct Page {
    /// Path from the root of the repository.
    pub(crate) name: String,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

/// Something typed at once.
pub(crate) struct Step {
    /// Where it stands in the page, from 1.
    pub(crate) line: usize,
    /// One command, or a block of them.
    pub(crate) typed: String,
    /// What the page shows of it; `None`: the page does not care.
    pub(crate) shown: Option<Vec<String>>,
    /// How the last command ends.
    pub(crate) exit: i32,
    /// A program without which it is left out.
    pub(crate) needs: Option<String>,
}

/// A fenced block.
struct Block<'a> {
    info: &'a str,
    /// Line of its first line of content, from 1.
    line: usize,
    lines: Vec<&'a str>,
}

impl Page {
    /// Takes a page apart. In the README, only the tour is played.
    pub(crate) fn read(name: &str, text: &str) -> Self {
        let mut steps = Vec::new();
        for block in blocks(text) {
            let needs = block.info.split("needs=").nth(1).map(str::to_owned);
            match block.info.split(' ').next().unwrap() {
                "console" => steps.extend(console(&block, needs.as_deref())),
                "sh" => steps.push(Step {
                    line: block.line,
                    typed: block.lines.join("\n"),
                    shown: None,
                    exit: 0,
                    needs,
                }),
                // What the block of commands before it prints.
                "text" if steps.last().is_some_and(|s: &Step| s.shown.is_none()) => {
                    let shown = block.lines.iter().map(|l| (*l).to_owned()).collect();
                    steps.last_mut().unwrap().shown = Some(shown);
                }
                _ => {}
            }
        }
        if name == "README.md" {
            // Up to the first command of the tour things are built, and after it tested.
            let tour = text.lines().position(|l| l == "## A tour by hand").expect("a tour") + 1;
            let end = text.lines().skip(tour).position(|l| l.starts_with("## ")).unwrap() + tour;
            steps.retain(|s| (tour..=end).contains(&s.line) && !s.typed.contains("cargo build"));
        }
        // A chapter may be for reading alone; the tour is there to be typed.
        assert!(name != "README.md" || !steps.is_empty(), "{name}: nothing to type");
        Self { name: name.to_owned(), steps }
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut all = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info, line: at + 2, lines: Vec::new() }),
            (None, None) => {}
            (Some(_), Some("")) => all.extend(open.take()),
            (Some(block), _) => block.lines.push(line),
        }
    }
    assert!(open.is_none(), "a block without an end");
    all
}

/// `$ ` begins a command, `> ` goes on with it, `[exit N]` says how it ends if not with 0; all
/// else is what is said.
fn console(block: &Block<'_>, needs: Option<&str>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in block.lines.iter().enumerate() {
        let line_number = block.line + at;
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: line_number,
                typed: command.to_owned(),
                shown: Some(Vec::new()),
                exit: 0,
                needs: needs.map(str::to_owned),
            });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("line {line_number}: no command"));
        let shown = step.shown.as_mut().unwrap();
        let exit = line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']'));
        match (line.strip_prefix('>'), exit) {
            (Some(more), _) if shown.is_empty() && (more.is_empty() || more.starts_with(' ')) => {
                step.typed += "\n";
                step.typed += more.strip_prefix(' ').unwrap_or("");
            }
            (_, Some(code)) => step.exit = code.parse().expect("[exit N]"),
            _ => shown.push((*line).to_owned()),
        }
    }
    steps
}

#[test]
fn commands_go_on_and_end_as_the_page_says() {
    let text = "# T\n```console\n$ cat <<END\n> a\n> END\na\n$ false\n[exit 1]\n```\n\
                ```sh\nx\ny\n```\nwords\n```text\nz\n```\n```console needs=tool\n$ tool\n```\n";
    let page = Page::read("x.md", text);
    let typed: Vec<_> = page.steps.iter().map(|s| (s.line, s.typed.as_str(), s.exit)).collect();
    let want = [(3, "cat <<END\na\nEND", 0), (7, "false", 1), (11, "x\ny", 0), (19, "tool", 0)];
    assert_eq!(typed, want);
    assert_eq!(page.steps[0].shown, Some(vec!["a".to_owned()]));
    assert_eq!(page.steps[2].shown, Some(vec!["z".to_owned()]));
    assert_eq!(page.steps[3].needs.as_deref(), Some("tool"));
}
