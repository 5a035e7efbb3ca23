"""What the window paints: `wyh.media.screen` opens it and hears its keys."""
