"""What a method is put together from: losses, sources of images, memories, views, and the protocols that they fill."""
