//! Tables for people: aligned text that is Markdown as well.

/// Rows of cells under a head; the first `left` columns are words, the rest figures.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    left: usize,
}

impl Table {
    pub(crate) fn new(left: usize, head: &[&str]) -> Self {
        Self { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new(), left }
    }

    /// Adds a row; cells that are missing at its end stay empty.
    pub(crate) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// The table, each line ended by a newline.
    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        let mut out = self.line(&self.head, &widths);
        for (column, width) in widths.iter().enumerate() {
            let rule = "-".repeat(*width);
            // Markdown: a colon at the right end aligns figures to the right.
            let end = if column < self.left { '-' } else { ':' };
            out.extend(["|-", &rule]);
            out.push(end);
        }
        out += "|\n";
        for row in &self.rows {
            out += &self.line(row, &widths);
        }
        out
    }

    fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.head).chain(&self.rows);
        cells.filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut out = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count().min(*width));
            let (before, after) = if column < self.left { ("", &*padding) } else { (&*padding, "") };
            out.extend(["| ", before, cell, after, " "]);
        }
        out + "|\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_it_is_markdown() {
        let mut table = Table::new(1, &["server", "msgs/s"]);
        table.row(vec!["Postrider".to_owned(), "12000".to_owned()]);
        table.row(vec!["x".to_owned()]);
        assert_eq!(
            table.render(),
            "| server    | msgs/s |\n\
             |-----------|-------:|\n\
             | Postrider |  12000 |\n\
             | x         |        |\n"
        );
    }
}
