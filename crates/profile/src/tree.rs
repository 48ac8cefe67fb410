//! Counted stacks as one tree of labels.

use std::io;

use rustc_hash::FxHashMap;

use crate::counts::Counts;
use crate::{FrameId, Tables};

/// The label of a node in which the frames beyond the depth limit are folded.
const DEEPER: u32 = u32::MAX;

/// One box of a flame graph.
#[derive(Debug)]
struct Node {
    /// Index of the caller's node, which is smaller than this one's.
    caller: Option<u32>,
    /// Index of the label, or [`DEEPER`].
    label: u32,
    /// Samples that end here.
    own: u64,
}

/// Counted stacks as a tree: each node is one label under one caller, callers before what they call. Frames whose
/// labels agree are one node, whatever else differs between them.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    labels: Vec<String>,
    /// Samples in the whole tree.
    total: u64,
}

impl Tree {
    /// Builds the tree of all counted stacks. `label` says what a frame is called. Of a stack deeper than `limit`
    /// frames, those beyond are one node, `(up to N deeper frames)`.
    pub(crate) fn new(counts: &Counts, tables: &Tables, limit: usize, label: impl Fn(FrameId) -> String) -> Tree {
        let mut tree = Tree::default();
        let mut names = Names { of_frame: vec![None; tables.frames().len()], ids: FxHashMap::default() };
        let mut ids = FxHashMap::default();
        let mut deeper = FxHashMap::default();
        let reached = counts.reached(tables);
        // Per stack: its node and its depth.
        let mut places: Vec<(u32, usize)> = Vec::with_capacity(reached.len());
        for (stack, frame, caller) in tables.stacks() {
            if !reached[stack.index()] {
                places.push((0, 0));
                continue;
            }
            let (caller, depth) = match caller.map(|caller| places[caller.index()]) {
                Some((node, depth)) => (Some(node), depth + 1),
                None => (None, 1),
            };
            let node = match caller {
                Some(node) if tree.nodes[node as usize].label == DEEPER => node,
                _ => {
                    let label = if depth > limit { DEEPER } else { names.id(frame, &label) };
                    *ids.entry((caller, label)).or_insert_with(|| {
                        tree.nodes.push(Node { caller, label, own: 0 });
                        tree.nodes.len() as u32 - 1
                    })
                }
            };
            if depth > limit {
                let most = deeper.entry(node).or_insert(0);
                *most = depth.saturating_sub(limit).max(*most);
            }
            tree.nodes[node as usize].own += counts.of(stack);
            tree.total += counts.of(stack);
            places.push((node, depth));
        }
        for (node, most) in deeper {
            tree.nodes[node as usize].label = names.intern(format!("(up to {most} deeper frames)"));
        }
        tree.labels = names.list();
        tree
    }

    /// Samples in the whole tree.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Takes out the nodes with fewer than `parts` of `whole` of all samples; their samples become their caller's own.
    /// Roots stay, so that the total does.
    pub(crate) fn prune(&mut self, parts: u64, whole: u64) {
        let mut sums: Vec<u64> = self.nodes.iter().map(|node| node.own).collect();
        let mut kept = vec![true; self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            let Some(caller) = self.nodes[at].caller else { continue };
            sums[caller as usize] += sums[at];
            if u128::from(sums[at]) * u128::from(whole) < u128::from(self.total) * u128::from(parts) {
                kept[at] = false;
                // All below is narrower still and has already been gathered here.
                self.nodes[caller as usize].own += self.nodes[at].own;
            }
        }
        let mut moved = Vec::with_capacity(self.nodes.len());
        let mut next = 0;
        for &kept in &kept {
            moved.push(next);
            next += u32::from(kept);
        }
        let mut kept = kept.iter();
        self.nodes.retain(|_| kept.next() == Some(&true));
        for node in &mut self.nodes {
            node.caller = node.caller.map(|caller| moved[caller as usize]);
        }
    }

    /// Calls `line` with each counted stack, its labels joined by `;`, and its count. Sorted by the labels, the root's
    /// first; what a node calls comes after the node itself.
    pub(crate) fn lines(&self, mut line: impl FnMut(&str, u64) -> io::Result<()>) -> io::Result<()> {
        let mut by_text: Vec<u32> = (0..self.labels.len() as u32).collect();
        by_text.sort_unstable_by_key(|&label| &self.labels[label as usize]);
        let mut ranks = vec![0; by_text.len()];
        for (rank, label) in by_text.into_iter().enumerate() {
            ranks[label as usize] = rank;
        }
        // The nodes that each node calls lie together, last rank first: the order in which a stack gives them back.
        let key = |node: &u32| {
            let node = &self.nodes[*node as usize];
            (node.caller, std::cmp::Reverse(ranks[node.label as usize]))
        };
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).collect();
        order.sort_unstable_by_key(key);
        let called = |caller: Option<u32>| {
            let from = order.partition_point(|node| key(node).0 < caller);
            let rest = &order[from..];
            &rest[..rest.partition_point(|node| key(node).0 == caller)]
        };

        let mut text = String::new();
        let mut open: Vec<(u32, usize)> = called(None).iter().map(|&node| (node, 0)).collect();
        while let Some((at, length)) = open.pop() {
            let node = &self.nodes[at as usize];
            text.truncate(length);
            if node.caller.is_some() {
                text.push(';');
            }
            text.push_str(&self.labels[node.label as usize]);
            if node.own > 0 {
                line(&text, node.own)?;
            }
            open.extend(called(Some(at)).iter().map(|&node| (node, text.len())));
        }
        Ok(())
    }
}

/// Interned labels.
struct Names {
    of_frame: Vec<Option<u32>>,
    ids: FxHashMap<String, u32>,
}

impl Names {
    fn id(&mut self, frame: FrameId, label: impl Fn(FrameId) -> String) -> u32 {
        if let Some(id) = self.of_frame[frame.index()] {
            return id;
        }
        let id = self.intern(label(frame));
        self.of_frame[frame.index()] = Some(id);
        id
    }

    fn intern(&mut self, label: String) -> u32 {
        let next = self.ids.len() as u32;
        *self.ids.entry(label).or_insert(next)
    }

    fn list(self) -> Vec<String> {
        let mut list = vec![String::new(); self.ids.len()];
        for (label, id) in self.ids {
            list[id as usize] = label;
        }
        list
    }
}
