//! Who is behind a station, as far as people can know: checks, trust, freshness, incidents.
//!
//! Level 4. Signatures prove keys; these leaves hold what people found out about them. `check` keeps
//! comparisons of fingerprints and what they are worth, `identity` derives the words that two
//! officers read to one another, `fresh` judges the age of contact data, `incident` counts attempts
//! to pass for somebody else. All of it is shown and none of it closes a line (invariant I9). Owned
//! by `Station`, read by the node's API.

mod check;
mod fresh;
mod identity;
mod incident;

pub use check::{Checked, Checks, Trust, authority, fingerprints};
pub use fresh::{Evidence, Freshness};
pub use identity::{Code, ReadBack, Side, read_back, same_words};
pub use incident::{Incident, Incidents};
