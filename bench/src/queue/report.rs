//! The figures of a long queue as tables and as files.

use super::depth::Depth;
use super::opening::Opening;
use super::orders::Step;
use crate::Failure;
use crate::machine::Machine;
use crate::plot::{self, Panel, Plot, Series};
use crate::results::SYNC;
use crate::stats::{self, Latency};
use crate::table::Table;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load: String,
    pub(super) opening: Opening,
    pub(super) steps: Vec<Step>,
    pub(super) depths: Vec<Depth>,
}

/// Rate and cost of a message over the depth of the queue.
#[expect(clippy::cast_precision_loss, reason = "millions at most")]
fn panels(depths: &[Depth]) -> Vec<Panel> {
    let panel = |title: &str, figure: fn(&Depth) -> f64| Panel {
        title: title.to_owned(),
        x: "messages that wait".to_owned(),
        series: vec![Series {
            name: "Postrider".to_owned(),
            points: depths.iter().map(|depth| (depth.waiting as f64, figure(depth))).collect(),
        }],
    };
    vec![panel("messages a second", Depth::per_second), panel("CPU us a message", Depth::cpu_us)]
}

const LEGEND: &str = "\
seconds: the command as an operator runs it, from start to end. p99, longest: of mail that others send meanwhile, from \
the time it was due to its 250. CPU: all of the server, for each message that is accepted and delivered; x: how many \
times that of the shortest queue.";

impl Report {
    pub(super) fn text(&self) -> String {
        format!("{}\n\n{}\n{}\n{LEGEND}", self.opening.line(), self.orders(), self.depths())
    }

    fn orders(&self) -> String {
        let mut table = Table::new(2, &["order", "answer", "seconds", "p99 ms", "longest ms"]);
        for step in &self.steps {
            let ms = |part: fn(&Latency) -> u64| {
                step.meanwhile.as_ref().map_or("-".to_owned(), |it| format!("{:.1}", stats::ms(part(it))))
            };
            let seconds = format!("{:.2}", stats::seconds(step.ns));
            table.row(vec![step.name.clone(), step.said.clone(), seconds, ms(|it| it.p99), ms(|it| it.max)]);
        }
        table.render()
    }

    fn depths(&self) -> String {
        let mut table = Table::new(0, &["messages that wait", "msgs/s", "CPU us/msg", "x"]);
        let shortest = self.depths.first().map_or(0.0, Depth::cpu_us);
        for depth in &self.depths {
            table.row(vec![
                depth.waiting.to_string(),
                format!("{:.0}", depth.per_second()),
                format!("{:.0}", depth.cpu_us()),
                format!("{:.2}", depth.cpu_us() / shortest),
            ]);
        }
        table.render()
    }

    fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            let meanwhile = crate::source::latency_json(step.meanwhile);
            json!({ "order": step.name, "answer": step.said, "ns": step.ns, "due_to_reply_ns": meanwhile })
        });
        let depths = self.depths.iter().map(|depth| {
            json!({ "waiting": depth.waiting, "cpu_us_per_message": depth.cpu_us, "messages_per_second": depth.per_second })
        });
        json!({
            "machine": self.machine.json(), "load": self.load, "sync": SYNC, "open": self.opening.json(),
            "orders": steps.collect::<Vec<_>>(), "depths": depths.collect::<Vec<_>>(),
        })
    }

    fn plot(&self) -> Plot {
        let shown = self.depths.iter().map(|depth| {
            format!("{} wait: {:.0}/s, {:.0} us", depth.waiting, depth.per_second(), depth.cpu_us())
        });
        Plot {
            title: "Rate and CPU of relaying while other messages wait".to_owned(),
            description: format!(
                "Messages a second and CPU time a message of Postrider over the messages that wait. {}.",
                shown.collect::<Vec<_>>().join("; ")
            ),
            columns: 2,
            panels: panels(&self.depths),
        }
    }

    /// Writes all files, in place of those of the last run.
    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let machine = &self.machine;
        let markdown = format!(
            "# A long queue, measured on {}, commit {}\n\n{}.\n\nQueue: {}.\n\nSync: {SYNC}.\n\n{}\n",
            machine.date,
            machine.commit,
            machine.line(),
            self.load,
            self.text()
        );
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("queue.svg"), plot::svg(&self.plot()))?;
        let path = dir.join("queue.md");
        std::fs::write(&path, markdown)?;
        std::fs::write(dir.join("queue.json"), format!("{:#}\n", self.json()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_cost_are_drawn_over_the_messages_that_wait() {
        let depth = |waiting, cpu_us| Depth { waiting, cpu_us: vec![cpu_us], per_second: vec![8000.0] };
        let panels = panels(&[depth(10, 90.0), depth(1_000_000, 110.0)]);
        assert_eq!(panels[0].series[0].points, [(10.0, 8000.0), (1_000_000.0, 8000.0)]);
        assert_eq!(panels[1].series[0].points, [(10.0, 90.0), (1_000_000.0, 110.0)]);
    }
}
