//! A lab whose stations stand in a net of namespaces, and what the tests ask of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cbm_integration_tests::{
    nets::{Family, Net},
    processes::{Lab, Node, poll, run},
};
use serde_json::Value;

/// Long enough for a satellite line and a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Two persons, as a red flag needs them.
const PERSONS: [&str; 4] = ["--drafted-by", "A. Drafter", "--released-by", "B. Releaser"];

/// All pairs of so many places.
pub(crate) fn all_pairs(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|a| (0..a).map(move |b| (b, a))).collect()
}

/// The party at a place.
pub(crate) fn party(place: usize) -> String {
    String::from(char::from(b'A' + u8::try_from(place).unwrap())).repeat(3)
}

pub(crate) struct World {
    name: &'static str,
    // Nodes go before the namespaces they are in.
    nodes: Vec<Node>,
    pub(crate) net: Net,
    lab: Lab,
}

impl World {
    /// Nothing runs yet; `None` where there can be no namespaces.
    pub(crate) fn new(
        name: &'static str,
        family: Family,
        places: usize,
        behind: usize,
    ) -> Option<Self> {
        let net = match Net::new(family, places, behind) {
            Ok(net) => net,
            Err(error) => {
                let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
                assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and there is no network: {error}");
                eprintln!("skipped: no network namespaces and TUN here ({error}); run as root");
                return None;
            }
        };
        let lab = Lab::spread(net.addresses());
        let nodes = (0..places).map(|place| {
            let mut node = lab.node(&party(place));
            node.space = Some(net.space(place).to_owned());
            // So that healing is not waited for as long as in earnest.
            node.environment.insert("CBM__MESH__REDIAL_MAX_MS".into(), "2000".into());
            node
        });
        Some(Self { name, nodes: nodes.collect(), net, lab })
    }

    pub(crate) fn start(&mut self) {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.start_some(&all);
    }

    /// Only at these places.
    pub(crate) fn start_some(&mut self, places: &[usize]) {
        let started: Vec<_> = places.iter().map(|place| self.nodes[*place].launch()).collect();
        for (lines, place) in started.iter().zip(places) {
            let ready = lines.recv_timeout(PATIENCE).is_ok_and(|line| line.contains("ready"));
            assert!(ready, "not ready: {}", self.nodes[*place].log());
        }
    }

    pub(crate) fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// Starts every station where these pairs alone can reach one another, and waits for their links.
    pub(crate) fn start_along(&mut self, pairs: &[(usize, usize)]) {
        self.net.only(pairs);
        self.start();
        self.await_links(pairs);
    }

    pub(crate) fn await_links(&self, pairs: &[(usize, usize)]) {
        for (a, b) in pairs {
            self.nodes[*a].await_link(&party(*b), true);
            self.nodes[*b].await_link(&party(*a), true);
        }
    }

    pub(crate) fn await_no_link(&self, a: usize, b: usize) {
        self.nodes[a].await_link(&party(b), false);
        self.nodes[b].await_link(&party(a), false);
    }

    /// A red flag of 200 words, the most that a FLASH may have.
    pub(crate) fn red_flag() -> Value {
        let made = run(&["template", "red-flag"]);
        let mut letter: Value = serde_json::from_slice(&made.stdout).unwrap();
        letter["body"]["what_we_see"][0]["text"] = "seven ".repeat(164).trim().into();
        letter
    }

    /// Sends a FLASH of 200 words; its id.
    pub(crate) fn send(&self, from: usize, to: usize) -> String {
        let file = self.lab.file("red-flag.json", &Self::red_flag().to_string());
        let args =
            ["send", "red-flag", "--precedence", "FLASH", "--to", &party(to), "--file", &file];
        self.nodes[from].text(&[&args[..], &PERSONS].concat())
    }

    /// Waits until a letter is stored there; the path it took.
    pub(crate) fn await_l1(&self, id: &str, from: usize, to: usize) -> String {
        let (node, there) = (&self.nodes[from], party(to));
        let stored = |status: Value| status["level"].as_str().is_some_and(|level| level >= "L1");
        let came = poll(PATIENCE, || Some(node.status(id, &there)).filter(|s| stored(s.clone())));
        let Some(came) = came else {
            panic!("{}: {}\n{}", self.name, node.status(id, &there), self.logs())
        };
        let path = came["path"].as_str().unwrap_or("unknown").to_owned();
        let inbox = self.nodes[to].json(&["inbox"]);
        assert_eq!(inbox.iter().filter(|row| row["id"] == id).count(), 1, "once, and no more");
        path
    }

    /// Sends one and waits for its L1; prints how it went, and returns the path.
    pub(crate) fn flash(&self, from: usize, to: usize) -> String {
        self.timed(from, to).1
    }

    /// Sends one, which must go straight. The receipt may come before the confirmation of the push,
    /// which alone shows the way.
    pub(crate) fn flash_straight(&self, from: usize, to: usize) {
        let (id, path) = self.timed(from, to);
        let path_now = || self.nodes[from].status(&id, &party(to))["path"].clone();
        let straight = || (path_now() == "direct").then_some(());
        assert!(path == "direct" || poll(PATIENCE, straight).is_some(), "{}", path_now());
    }

    fn timed(&self, from: usize, to: usize) -> (String, String) {
        let begin = Instant::now();
        let id = self.send(from, to);
        let path = self.await_l1(&id, from, to);
        let after = begin.elapsed();
        let (name, a, b) = (self.name, party(from), party(to));
        println!("{name}: {a} to {b}: path {path}, L1 after {:.2} s", after.as_secs_f64());
        (id, path)
    }

    /// Everything is joined, without loss.
    pub(crate) fn heal(&self) {
        for (a, b) in all_pairs(self.nodes.len()) {
            self.net.line(a, b, |line| *line = Default::default());
            self.net.line(b, a, |line| *line = Default::default());
        }
    }

    /// Waits until all stations hold the same of every feed of their common lane, with no holes.
    pub(crate) fn whole(&self) {
        let begin = Instant::now();
        let whole = || {
            let all: Vec<_> = self.nodes.iter().map(|node| self.feeds(node)).collect();
            let same = all.iter().all(|feeds| feeds == &all[0]);
            let holes = all[0].values().any(|(_, _, missing)| *missing > 0);
            (same && !holes && all[0].len() >= self.nodes.len()).then_some(all[0].len())
        };
        let feeds = poll(PATIENCE, whole);
        let Some(feeds) = feeds else {
            let all: Vec<_> = self.nodes.iter().map(|node| self.feeds(node)).collect();
            panic!("{}: feeds differ: {all:#?}\n{}", self.name, self.logs())
        };
        let (name, after) = (self.name, begin.elapsed().as_secs_f64());
        println!("{name}: {feeds} feeds, whole and the same everywhere after {after:.2} s");
    }

    /// The heads of all feeds on the lane of all: by author and incarnation; number, header, holes.
    fn feeds(&self, node: &Node) -> BTreeMap<(String, String), (u64, String, u64)> {
        let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
        let mut all = Vec::new();
        for place in 0..self.nodes.len() {
            let station = format!("{}/mfa", party(place));
            let mut said = node.json(&["journal", "heads", &station]).remove(0);
            for head in said["heads"].as_array_mut().unwrap().drain(..) {
                *lanes.entry(head["lane"].as_str().unwrap().to_owned()).or_default() += 1;
                all.push((station.clone(), head));
            }
        }
        // Lanes of pairs have names of their own for each author.
        all.retain(|(_, head)| lanes[head["lane"].as_str().unwrap()] > 1);
        let text = |head: &Value, key: &str| head[key].as_str().unwrap().to_owned();
        let number = |head: &Value, key: &str| head[key].as_u64().unwrap();
        let row = |(station, head): (String, Value)| {
            let key = (station, text(&head, "incarnation"));
            (key, (number(&head, "seq"), text(&head, "header"), number(&head, "missing")))
        };
        all.into_iter().map(row).collect()
    }

    fn logs(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }
}
