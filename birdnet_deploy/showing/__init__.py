"""What ``report`` does: facts of a bundle, a project and readbacks as JSON, and the page that is drawn of them."""
