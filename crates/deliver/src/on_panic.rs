//! What a panic in a task must not take with it: work that was checked out, and the place of the worker.

/// Does something if it is dropped while a panic unwinds, and nothing else.
pub(crate) struct OnPanic<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}
