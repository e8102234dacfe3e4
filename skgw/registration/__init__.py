"""Registration: similarities that take one point cloud to another one."""
